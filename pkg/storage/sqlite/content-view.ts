import type { Position } from "../../base/index.js";
import {
  type ContentAnswers,
  type ContentQuery,
  StateMachineError,
} from "../../replication/ports/index.js";
import type { StateRules } from "../state-engine.js";
import { type Connection, openConnection } from "./connection.js";
import type { SqliteModel } from "./model.js";
import { readState } from "./schema.js";

/** A connection of its own that goes on seeing what was committed when it was told to look. */
export class ContentView {
  readonly #model: SqliteModel<StateRules>;
  readonly #path: string;
  readonly #soon: ((run: () => void) => void) | undefined;
  #connection: Connection | undefined;

  /** @param soon - lets others run between two slices; without it a question is answered in one go */
  constructor(model: SqliteModel<StateRules>, path: string, soon?: (run: () => void) => void) {
    this.#model = model;
    this.#path = path;
    this.#soon = soon;
  }

  fix(): Position {
    this.close();
    const connection = openConnection(this.#path, "read");
    try {
      connection.exec("BEGIN");
      const state = readState(connection);
      if (state === undefined) throw new StateMachineError("STORAGE_FAILED", "nothing to see yet");
      this.#connection = connection;
      return state.position;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  async inspect<Kind extends keyof ContentAnswers>(
    query: ContentQuery & { readonly kind: Kind },
  ): Promise<ContentAnswers[Kind]> {
    const connection = this.#opened();
    const pause = async () => {
      if (this.#soon === undefined) return;
      await new Promise<void>((resolve) => this.#soon?.(resolve));
      if (this.#opened() !== connection) throw gone();
    };
    const answer = await this.#model.inspect(connection, query, pause);
    return answer as ContentAnswers[Kind];
  }

  /** Idempotent. */
  close(): void {
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.close();
  }

  #opened(): Connection {
    if (this.#connection === undefined) throw gone();
    return this.#connection;
  }
}

function gone(): StateMachineError {
  return new StateMachineError("STORAGE_FAILED", "what was fixed has been let go");
}
