import { describe, expect, it } from "vitest";
import type { LogIndex, NodeId, Term } from "../../base/index.js";
import { UNANSWERED_BYTES_MAX, Unanswered } from "../driver/unanswered.js";
import type { Entry, LogStore } from "../ports/index.js";
import type { WalBatch } from "./messages.js";
import { sendEntries } from "./send-entries.js";

const MIB = 1024 * 1024;
const to = "b" as NodeId;
const at = (index: number): Entry => ({
  index: index as LogIndex,
  term: 1 as Term,
  kind: "command",
  payload: new Uint8Array(MIB),
});

describe("entries for a standby", () => {
  it("HB-51 are read no more while as many bytes as are allowed wait for an answer", () => {
    const unanswered = new Unanswered();
    const batches: WalBatch[] = [];
    const answered: (() => void)[] = [];
    const peers = {
      hasRoom: (id: NodeId) => unanswered.hasRoom(id),
      send: (id: NodeId, batch: WalBatch) => {
        batches.push(batch);
        answered.push(unanswered.sent(id, batch.entries));
      },
    };
    const log = { firstIndex: 1, read: (from: number) => [at(from)] } as unknown as LogStore;
    const send = (from: number) =>
      sendEntries(
        {
          kind: "send_entries",
          to,
          epoch: 1 as Term,
          prev: { index: (from - 1) as LogIndex, term: 1 as Term },
          from: from as LogIndex,
          upTo: 100 as LogIndex,
          bytesMax: MIB,
          entriesMax: 1,
          commit: 0 as LogIndex,
        },
        log,
        peers,
      );
    const fitting = UNANSWERED_BYTES_MAX / MIB;
    for (let from = 1; from <= fitting; from += 1) expect(send(from)).toMatchObject({ upTo: from });
    const next = fitting + 1;
    expect(send(next)).toMatchObject({ upTo: fitting, bytes: 0, compacted: false });
    expect(batches).toHaveLength(fitting);
    answered[0]?.();
    expect(send(next)).toMatchObject({ upTo: next, bytes: MIB });
  });
});
