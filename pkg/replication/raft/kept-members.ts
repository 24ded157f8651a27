import type { LogIndex } from "../../base/index.js";
import type { LogStore } from "../ports/index.js";
import type { ConfigEntry } from "./core/membership.js";
import type { RaftState } from "./core/state.js";
import { type MembersFile, neededFrom } from "./members-file.js";

/** Keeps in the members' file what a cut of the log would take away. */
export class KeptMembers {
  readonly #file: MembersFile;
  readonly #log: LogStore;
  /** What the file holds. */
  #kept: readonly ConfigEntry[] | undefined;

  constructor(file: MembersFile, log: LogStore) {
    this.#file = file;
    this.#log = log;
  }

  /** @returns up to where the log may be cut; nothing is while a copy is put in place */
  async beforeCut(upTo: LogIndex, state: () => RaftState): Promise<LogIndex> {
    const { base } = this.#log;
    const { configs } = state();
    // The members' file says what is being put in place, until it is.
    const isInstalling = () => state().installing !== null;
    if (configs !== this.#kept && !isInstalling()) {
      await this.#file.write({ configs: neededFrom(configs, base.index), installing: null });
      this.#kept = configs;
    }
    return isInstalling() ? base.index : upTo;
  }
}
