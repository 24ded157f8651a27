import type { Arguments } from "./arguments.js";
import type { World } from "./world.js";

/** One command of the scripts. Its output is one line, the same at every run. */
export interface Command {
  readonly usage: string;
  run(world: World, args: Arguments): Promise<string>;
}
