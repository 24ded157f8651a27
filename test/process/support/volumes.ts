import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** A file system of its own for one test, on a loop device or in memory. Needs Linux and root. */
export interface Volume {
  readonly directory: string;
  unmount(): void;
  remount(): void;
  destroy(): void;
}

const run = (program: string, ...args: string[]) =>
  execFileSync(program, args, { stdio: ["ignore", "pipe", "pipe"] });

function mounted(directory: string, home: string, mount: () => unknown): Volume {
  mount();
  return {
    directory,
    unmount: () => run("umount", directory),
    remount: mount,
    destroy: () => {
      run("umount", "--lazy", directory);
      rmSync(home, { recursive: true, force: true });
    },
  };
}

export function loopVolume(type: "ext4" | "xfs", mebibytes: number): Volume {
  const home = mkdtempSync(path.join(tmpdir(), "nornic-volume-"));
  const image = path.join(home, "image");
  const directory = path.join(home, "mount");
  mkdirSync(directory);
  writeFileSync(image, "");
  truncateSync(image, mebibytes * 1024 * 1024);
  run(`mkfs.${type}`, "-q", ...(type === "ext4" ? ["-F"] : ["-f"]), image);
  return mounted(directory, home, () => run("mount", "-o", "loop", image, directory));
}

export function memoryVolume(mebibytes: number): Volume {
  const directory = mkdtempSync(path.join(tmpdir(), "nornic-volume-"));
  const size = `size=${mebibytes}m`;
  return mounted(directory, directory, () =>
    run("mount", "-t", "tmpfs", "-o", size, "tmpfs", directory),
  );
}

/** `_IOR('X', 125, u32)`: the shutdown call of ext4 and xfs; flag 2 drops what is not on the disk. */
const CUT_POWER = `
import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack("I", 2))
`;

/** The file system stops at once, without flushing its journal: what was not synced is lost. */
export function cutPower(volume: Volume): void {
  run("python3", "-c", CUT_POWER, volume.directory);
}
