import { Command, CommanderError, InvalidArgumentError } from "commander";
import { EXIT, type ExitCode } from "../exit-codes.js";
import type { Answer } from "./answer.js";
import { Client, type ClientOptions } from "./client.js";
import { configCheck, configShow } from "./config-verbs.js";
import {
  conflictList,
  conflictResolve,
  conflictShow,
  type ListOptions,
  type ResolveOptions,
} from "./conflict-verbs.js";
import { doctor } from "./doctor.js";
import { Failure, toFailure } from "./failure.js";
import type { Io } from "./io.js";
import {
  memberAdd,
  memberList,
  memberPromote,
  memberRemove,
  stepDown,
  transferLeader,
} from "./member-verbs.js";
import { promote, switchOver } from "./pair-verbs.js";
import { recover } from "./recover.js";
import {
  regionAdopt,
  regionGiveUp,
  regionPromote,
  regionReadmit,
  regionStatus,
} from "./region-verbs.js";
import { salvageDiscard, salvageList, salvageReplay, salvageShow } from "./salvage-verbs.js";
import { foldersOf, type SettingsOptions, settingsFrom } from "./settings.js";
import { snapshotInfo } from "./snapshot-file.js";
import { snapshotRestore } from "./snapshot-restore.js";
import { snapshotSave, snapshotSaveOffline } from "./snapshot-save.js";
import { history, lag, status, verify } from "./verbs.js";
import { walCut, walInfo, walVerify } from "./wal-verbs.js";

type Globals = ClientOptions & { readonly json?: boolean };
type Say = (answer: Answer) => void;

/**
 * Runs one command line.
 * @param args - without the names of node and of the program
 * @returns the exit code; everything has been said by then
 */
export async function runProgram(args: readonly string[], io: Io): Promise<ExitCode> {
  const json = args.includes("--json");
  let exit: ExitCode = EXIT.ok;
  const say: Say = (answer) => {
    io.out(json ? `${JSON.stringify(answer.json)}\n` : answer.text);
    exit = answer.exit;
  };
  try {
    await buildProgram(io, say).parseAsync([...args], { from: "user" });
    return exit;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok;
    const failure = error instanceof CommanderError ? usage(error) : toFailure(error);
    io.err(json ? failureJson(failure) : failureText(failure));
    return failure.exit;
  }
}

function failureText({ code, message, next }: Failure): string {
  return `${code}: ${message}\nnext: ${next}\n`;
}

function failureJson({ code, message, next, exit }: Failure): string {
  return `${JSON.stringify({ error: { code, cause: message, next, exit } })}\n`;
}

function usage(error: CommanderError): Failure {
  const help = error.code === "commander.help";
  const message = help ? "a verb is missing" : error.message.replace(/^error: /, "");
  return new Failure(EXIT.usage, "USAGE", message, "nornicctl --help", { cause: error });
}

function buildProgram(io: Io, say: Say): Command {
  const program = new Command("nornicctl")
    .description("Asks, checks, saves and restores a node of the graph store.")
    .option("--endpoint <url[,url]>", "HTTP address of the node; the first that answers counts")
    .option("--token <token>", "bearer token, or user:password")
    .option("--json", "one JSON document instead of text")
    .configureOutput({
      writeOut: (text) => io.out(text),
      writeErr: (text) => io.err(text),
      outputError: () => {},
    })
    .exitOverride();
  addNodeVerbs(program, io, say);
  addMemberVerbs(program, io, say);
  addPairVerbs(program, io, say);
  addRegionVerbs(program, io, say);
  addConflictVerbs(program, io, say);
  addWalVerbs(program, io, say);
  addSnapshotVerbs(program, io, say);
  addConfigVerbs(program, io, say);
  return program;
}

const clientOf = (command: Command, io: Io) =>
  new Client(command.optsWithGlobals<Globals>(), io.env);

function count(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError("A whole number is needed.");
  return Number(text);
}

function addNodeVerbs(program: Command, io: Io, say: Say): void {
  program
    .command("status")
    .description("role, log and members of the node; exit 2 when it is not well")
    .action(async (_options, command: Command) => say(await status(clientOf(command, io))));
  program
    .command("lag")
    .description("how far the node and its peers are behind")
    .option("--max <entries>", "exit 2 when one is further behind", count)
    .action(async (options: { max?: number }, command: Command) =>
      say(await lag(clientOf(command, io), options.max)),
    );
  program
    .command("history")
    .description("what happened to the node since it started")
    .option("--limit <events>", "only the last ones", count)
    .action(async (options: { limit?: number }, command: Command) =>
      say(await history(clientOf(command, io), options.limit)),
    );
  program
    .command("verify")
    .description("compares what is stored with what was applied; exit 2 when they differ")
    .action(async (_options, command: Command) => say(await verify(clientOf(command, io))));
}

function addMemberVerbs(program: Command, io: Io, say: Say): void {
  const member = program.command("member").description("who is in the cluster");
  member
    .command("list")
    .description("the members as the leader sees them")
    .action(async (_options, command: Command) => say(await memberList(clientOf(command, io))));
  member
    .command("add")
    .description("takes a node in, which votes once it has caught up")
    .argument("<id>")
    .argument("<host:port>", "where the others reach it")
    .option("--learner", "it never votes")
    .action(async (id: string, address: string, options: { learner?: boolean }, command: Command) =>
      say(await memberAdd(clientOf(command, io), id, address, options.learner === true)),
    );
  member
    .command("remove")
    .description("takes a node out; refused when too few would remain that answer")
    .argument("<id>")
    .action(async (id: string, _options, command: Command) =>
      say(await memberRemove(clientOf(command, io), id)),
    );
  member
    .command("promote")
    .description("gives a learner a vote once it has caught up")
    .argument("<id>")
    .action(async (id: string, _options, command: Command) =>
      say(await memberPromote(clientOf(command, io), id)),
    );
  program
    .command("transfer-leader")
    .description("has the leader hand over, to that node or to whoever is furthest")
    .argument("[id]")
    .action(async (id: string | undefined, _options, command: Command) =>
      say(await transferLeader(clientOf(command, io), id)),
    );
  program
    .command("step-down")
    .description("has the leader hand over to whoever is furthest")
    .action(async (_options, command: Command) => say(await stepDown(clientOf(command, io))));
  withSettings(program.command("recover"))
    .description("after the quorum was lost for good: makes the stopped node here the only voter")
    .option("--yes", "do it; without, it is only told what that would mean")
    .action(async (options: SettingsOptions & { yes?: boolean }) =>
      say(await recover(settingsFrom(options, io), options.yes === true)),
    );
}

function addPairVerbs(program: Command, io: Io, say: Say): void {
  program
    .command("promote")
    .description("makes the standby that is asked the primary; refused when writes would be lost")
    .option("--force", "also when acknowledged writes may be lost")
    .option("--others-stopped", "I have made sure that no other node of the pair runs")
    .action(async (options: { force?: boolean; othersStopped?: boolean }, command: Command) =>
      say(await promote(clientOf(command, io), options)),
    );
  program
    .command("switchover")
    .description("has the primary hand over to a standby without losing a write")
    .argument("[id]", "without one, the standby that is furthest")
    .action(async (id: string | undefined, _options, command: Command) =>
      say(await switchOver(clientOf(command, io), id)),
    );
  const salvage = program
    .command("salvage")
    .description("writes that a failed primary had and its successor has not");
  salvage
    .command("list")
    .description("the files on the node that is asked")
    .action(async (_options, command: Command) => say(await salvageList(clientOf(command, io))));
  const one = (name: string, description: string, verb: typeof salvageShow) =>
    salvage
      .command(name)
      .description(description)
      .argument("<id>")
      .action(async (id: string, _options, command: Command) =>
        say(await verb(clientOf(command, io), id)),
      );
  one("show", "the writes in one", salvageShow);
  one("replay", "offers its writes to the primary again; each is applied once", salvageReplay);
  one("discard", "removes one for good", salvageDiscard);
}

function addRegionVerbs(program: Command, io: Io, say: Say): void {
  const region = program
    .command("region")
    .description("the other regions, and this one among them");
  const plain = (
    name: string,
    description: string,
    run: (client: Client) => Promise<Answer>,
  ): void => {
    region
      .command(name)
      .description(description)
      .action(async (_options, command: Command) => say(await run(clientOf(command, io))));
  };
  const other = (
    name: string,
    description: string,
    run: (client: Client, region: string) => Promise<Answer>,
  ): void => {
    region
      .command(name)
      .description(description)
      .argument("<region>")
      .action(async (named: string, _options, command: Command) =>
        say(await run(clientOf(command, io), named)),
      );
  };
  plain("status", "how the others stand; exit 2 when one lacks what is written here", regionStatus);
  plain("promote", "makes the region of the node the promoted one", regionPromote);
  plain("adopt", "makes a copy of another region into this node's own region", regionAdopt);
  other("give-up", "lets nothing wait for that region any more", regionGiveUp);
  other("readmit", "lets a region that was given up go on from where it is", regionReadmit);
}

function addConflictVerbs(program: Command, io: Io, say: Say): void {
  const conflicts = program
    .command("conflicts")
    .description("what regions wrote without knowing of each other");
  conflicts
    .command("list")
    .description("those that are open, as the node that is asked has them")
    .option("--ended", "those that were written over or resolved lately instead")
    .option("--limit <things>", "at most so many", count)
    .option("--after <key>", "go on behind it, as the page before says")
    .action(async (options: ListOptions, command: Command) =>
      say(await conflictList(clientOf(command, io), options)),
    );
  conflicts
    .command("show")
    .description("all sides of one: who wrote what, and when")
    .argument("<id>")
    .action(async (id: string, _options, command: Command) =>
      say(await conflictShow(clientOf(command, io), id)),
    );
  conflicts
    .command("resolve")
    .description("decides one for all regions")
    .argument("<id>")
    .option("--keep <winner>", "what counts now")
    .option("--loser <region:number>", "one of the losers")
    .option("--value <json>", "something else, for a property")
    .action(async (id: string, options: ResolveOptions, command: Command) =>
      say(await conflictResolve(clientOf(command, io), id, options)),
    );
}

/** Options of verbs that work on the files of a stopped node. */
function withSettings(command: Command): Command {
  return command
    .option("--config <file>", "YAML file with the node's settings (NORNICDB_CONFIG)")
    .option("--data-dir <folder>", "the node's data directory (NORNICDB_DATA_DIR)");
}

function addWalVerbs(program: Command, io: Io, say: Say): void {
  const wal = program.command("wal").description("the log of a stopped node");
  const folders = (options: SettingsOptions) => foldersOf(settingsFrom(options, io));
  withSettings(wal.command("info"))
    .description("its ends, its hard state and its segments")
    .action((options: SettingsOptions) => say(walInfo(folders(options), io)));
  withSettings(wal.command("verify"))
    .description("checks every record; exit 2 when the log is damaged")
    .option("--cut <segment:byte>", "cut the log there first; what is cut is kept beside it")
    .action(async (options: SettingsOptions & { cut?: string }) => {
      const place = folders(options);
      say(options.cut === undefined ? walVerify(place, io) : await walCut(place, options.cut, io));
    });
}

function addSnapshotVerbs(program: Command, io: Io, say: Say): void {
  const snapshot = program.command("snapshot").description("copies of everything");
  withSettings(snapshot.command("save"))
    .description("saves one of the running node")
    .argument("<file>")
    .option("--offline", "of the stopped node whose files are here")
    .action(async (file: string, options: SettingsOptions & { offline?: boolean }, command) => {
      say(
        options.offline
          ? await snapshotSaveOffline(settingsFrom(options, io), file, io)
          : await snapshotSave(clientOf(command, io), file, io),
      );
    });
  snapshot
    .command("info")
    .description("checks one to its last byte and tells what it is of")
    .argument("<file>")
    .action(async (file: string) => say(await snapshotInfo(file, io)));
  withSettings(snapshot.command("restore"))
    .description("makes the data directory of a stopped node hold what one holds")
    .argument("<file>")
    .option("--force", "also over data, which is put aside")
    .action(async (file: string, options: SettingsOptions & { force?: boolean }) => {
      const loaded = settingsFrom(options, io);
      say(await snapshotRestore({ file, loaded, force: options.force === true }, io));
    });
}

function addConfigVerbs(program: Command, io: Io, say: Say): void {
  const config = program.command("config").description("what nornicd would be told here");
  withSettings(config.command("show"))
    .description("prints the settings in force as YAML")
    .option("--origin", "with where each value comes from")
    .action((options: SettingsOptions & { origin?: boolean }) => say(configShow(options, io)));
  withSettings(config.command("check"))
    .description("checks the settings and says all that is wrong")
    .action((options: SettingsOptions) => say(configCheck(options, io)));
  withSettings(program.command("doctor"))
    .description("checks settings, machine, disk, log and ports; exit 2 when something fails")
    .action(async (options: SettingsOptions) => say(await doctor(options, io)));
}
