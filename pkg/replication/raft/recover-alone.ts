import type { LogIndex, Position, Term } from "../../base/index.js";
import type { FileSystem } from "../../runtime/index.js";
import { ReplicationError } from "../errors.js";
import type { LogStore } from "../ports/index.js";
import {
  type ConfigEntry,
  decodeMembership,
  encodeMembership,
  type Member,
} from "./core/membership.js";
import { MembersFile } from "./members-file.js";

/**
 * Added to the term, so that no entry written from here on has the index and the term of one that
 * the lost members may have written meanwhile.
 */
const TERM_STEP = 1_000;

/** The log of a stopped node as the last of its cluster would go on with it. */
export interface Standing {
  readonly last: Position;
  readonly term: Term;
  /** Known here to be committed; what lies above may or may not have been acknowledged. */
  readonly commit: LogIndex;
  /** null: the log is not of a cluster yet, as one of mode standalone. */
  readonly members: ConfigEntry | null;
}

export interface StandingParts {
  readonly log: LogStore;
  /** Of the members' file. */
  readonly directory: string;
  readonly fileSystem: FileSystem;
}

/**
 * What a stopped node has. Changes nothing.
 * @throws ReplicationError `CONFLICT` when a copy of the leader was being put in place
 */
export function readStanding({ log, directory, fileSystem }: StandingParts): Standing {
  const kept = new MembersFile(fileSystem, directory).read();
  if (kept.installing !== null) {
    throw new ReplicationError("CONFLICT", "a copy of the leader was being put in place here", {
      hint: "start the node, which finishes that, stop it, and run the command again",
    });
  }
  const { last, hardState, base } = log;
  const before = kept.configs.findLast(({ index }) => index <= base.index);
  const members = newestInLog(log) ?? before ?? null;
  return { last, term: hardState.term, commit: hardState.commit, members };
}

/**
 * Makes the node the only voter of its cluster: a membership that nobody has agreed to goes to the
 * end of its log, in a later term. At its next start the node elects itself and commits all that
 * its log holds. Durable on return.
 * @returns where that membership stands
 */
export async function makeOnlyVoter(log: LogStore, self: Member): Promise<Position> {
  const { hardState, last } = log;
  const term = (Math.max(hardState.term, last.term) + TERM_STEP) as Term;
  const index = (last.index + 1) as LogIndex;
  const payload = encodeMembership({ voters: [self], outgoing: [], learners: [] });
  log.saveHardState({ ...hardState, term, votedFor: self.id });
  log.append([{ index, term, kind: "config", payload }]);
  await log.sync();
  return { index, term };
}

function newestInLog(log: LogStore): ConfigEntry | undefined {
  const index = log.outline().configs.at(-1);
  if (index === undefined) return undefined;
  const [entry] = log.read(index, index, 1);
  const membership = entry && decodeMembership(entry.payload);
  if (membership !== undefined) return { index, membership };
  throw new ReplicationError("STORAGE_FAILED", `entry ${index} of the log is not a membership`);
}
