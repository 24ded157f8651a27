import { posix } from "node:path";
import type { SeededRandom } from "./seeded-random.js";
import type { CrashChances, SimInode } from "./sim-inode.js";

/** What a name stands for: a file, or a folder. */
type Entry = SimInode | "folder";

type Change =
  | { readonly kind: "link"; readonly path: string; readonly entry: Entry }
  | { readonly kind: "unlink"; readonly path: string }
  | { readonly kind: "rename"; readonly from: string; readonly to: string; readonly entry: Entry };

interface Pending {
  readonly number: number;
  readonly folder: string;
  readonly change: Change;
}

/** The names of a simulated disk, as readers see them and as they certainly are on the disk. */
export class SimFolders {
  #view = new Map<string, Entry>([["/", "folder"]]);
  #disk = new Map<string, Entry>([["/", "folder"]]);
  /** Not yet durable, in order, with the folder whose sync makes it so. */
  #changes: Pending[] = [];
  #made = 0;

  /** Changes ever made; the mark that a sync takes when it is asked for. */
  get mark(): number {
    return this.#made;
  }

  get(path: string): Entry | undefined {
    return this.#view.get(path);
  }

  /** All files that readers see, by path in sorted order. */
  files(): [string, SimInode][] {
    return filesOf(this.#view);
  }

  /** All files that are there after a crash even if everything not synced is lost. */
  syncedFiles(): [string, SimInode][] {
    return filesOf(reachable(this.#disk));
  }

  names(folder: string): string[] {
    return [...this.#view.keys()]
      .filter((path) => path !== "/" && posix.dirname(path) === folder)
      .map((path) => posix.basename(path))
      .sort();
  }

  link(path: string, entry: Entry): void {
    this.#change(posix.dirname(path), { kind: "link", path, entry });
  }

  unlink(path: string): void {
    this.#change(posix.dirname(path), { kind: "unlink", path });
  }

  rename(from: string, to: string, entry: Entry): void {
    this.#change(posix.dirname(to), { kind: "rename", from, to, entry });
  }

  /** A folder sync that was asked for at `mark` has succeeded. */
  makeDurable(folder: string, mark: number): void {
    const kept: Pending[] = [];
    for (const item of this.#changes) {
      if (item.folder === folder && item.number <= mark) perform(this.#disk, item.change);
      else kept.push(item);
    }
    this.#changes = kept;
  }

  /** The power goes: each change that was not synced is there or not. @returns how many were lost */
  crash(random: SeededRandom, chances: CrashChances): number {
    let lost = 0;
    for (const { change } of this.#changes) {
      if (random.chance(chances.keepPercent, 100)) perform(this.#disk, change);
      else lost += 1;
    }
    this.#changes = [];
    this.#disk = reachable(this.#disk);
    this.#view = new Map(this.#disk);
    return lost;
  }

  #change(folder: string, change: Change): void {
    perform(this.#view, change);
    this.#made += 1;
    this.#changes.push({ number: this.#made, folder, change });
  }
}

function perform(names: Map<string, Entry>, change: Change): void {
  if (change.kind === "link") names.set(change.path, change.entry);
  else if (change.kind === "unlink") names.delete(change.path);
  else {
    // Also when an earlier rename of the same file was lost: a file has one name.
    for (const [name, entry] of names) if (entry === change.entry) names.delete(name);
    names.set(change.to, change.entry);
  }
}

/** A name whose folder did not make it to the disk is gone, whatever was synced below it. */
function reachable(names: ReadonlyMap<string, Entry>): Map<string, Entry> {
  const out = new Map<string, Entry>();
  for (const path of [...names.keys()].sort()) {
    const entry = names.get(path);
    if (entry && (path === "/" || out.get(posix.dirname(path)) === "folder")) out.set(path, entry);
  }
  return out;
}

function filesOf(names: ReadonlyMap<string, Entry>): [string, SimInode][] {
  const files: [string, SimInode][] = [];
  for (const path of [...names.keys()].sort()) {
    const entry = names.get(path);
    if (entry && entry !== "folder") files.push([path, entry]);
  }
  return files;
}
