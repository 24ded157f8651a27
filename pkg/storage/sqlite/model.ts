import type {
  ContentAnswers,
  ContentQuery,
  ContentRecord,
  ContentSums,
  RegionLog,
} from "../../replication/ports/index.js";
import type { Pause } from "../content/inspect-content.js";
import type { Counts, StateRules } from "../state-engine.js";
import type { Connection } from "./connection.js";

/** A kind of state that a SQLite file can hold: its tables, its rules, and how to compare it. */
export interface SqliteModel<Rules extends StateRules> {
  /** Stands in the file; one that holds something else is refused. */
  readonly name: string;
  /** SQL for an empty file. The tables `meta` and `applied` are there already. */
  readonly tables: string;
  /** A file that holds this becomes one of the model by these tables; position and content stay. */
  readonly growsFrom?: { readonly name: string; readonly tables: string } | undefined;
  /** One command may be hundreds of changes: the thread that writes them is given more room. */
  readonly hasLargeCommands?: true;
  open(connection: Connection): ModelStore<Rules>;
  /** Answers from what `connection` sees, in slices; see `ComparableContent`. */
  inspect(
    connection: Connection,
    query: ContentQuery,
    pause: Pause,
  ): Promise<ContentAnswers[keyof ContentAnswers]>;
}

/** The writer's end of a model. Whoever owns the connection owns transactions. */
export interface ModelStore<Rules extends StateRules> {
  readonly rules: Rules;
  /** See `StateMachine.regions`. */
  readonly regions?: RegionLog | undefined;
  /** Reads again what is kept in memory, after a rollback. */
  reload(): void;
  /** Writes down what is kept in memory, before a commit. */
  flush?(): void;
  /**
   * Puts the records in their places and makes every stored hash that of its row. Called inside
   * the transaction that also keeps the sums.
   * @throws Error for a record that is none
   */
  repair(records: readonly ContentRecord[]): Repaired;
}

/** Sums and counts as the content itself says. */
export interface Repaired {
  readonly content: ContentSums;
  readonly counts: Counts;
}
