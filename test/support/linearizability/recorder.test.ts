import { describe, expect, it } from "vitest";
import { VirtualTime } from "../virtual-time.js";
import { checkLinearizability, clockOrder, HistoryRecorder } from "./index.js";

describe("HistoryRecorder", () => {
  it("LN-13 takes down calls and answers in one order", () => {
    const recorder = new HistoryRecorder();
    const write = recorder.write("c1", "k", "a");
    const read = recorder.read("c2", "k");
    write.end({ kind: "done", version: 4 });
    read.end({ kind: "value", value: "a", version: 4 });
    recorder.cas("c1", "k", { version: 4 }, null).end({ kind: "mismatch" });
    recorder.delete("c1", "k").end({ kind: "refused", reason: "NO_LEADER" });
    const key = "k";
    expect(recorder.history()).toEqual([
      {
        call: "write",
        key,
        client: "c1",
        value: "a",
        invokedAt: 1,
        returnedAt: 3,
        outcome: { kind: "done", version: 4 },
      },
      {
        call: "read",
        key,
        client: "c2",
        invokedAt: 2,
        returnedAt: 4,
        outcome: { kind: "value", value: "a", version: 4 },
      },
      {
        call: "cas",
        key,
        client: "c1",
        expect: { version: 4 },
        value: null,
        invokedAt: 5,
        returnedAt: 6,
        outcome: { kind: "mismatch" },
      },
      {
        call: "delete",
        key,
        client: "c1",
        invokedAt: 7,
        returnedAt: 8,
        outcome: { kind: "refused", reason: "NO_LEADER" },
      },
    ]);
    expect(recorder.open).toBe(0);
  });

  it("LN-13 an operation ends once", () => {
    const pending = new HistoryRecorder().write("c1", "k", 1);
    pending.end({ kind: "done" });
    expect(() => pending.end({ kind: "done" })).toThrow("an operation ends once");
  });

  it("LN-14 what is still under way is unknown, a read has failed", () => {
    const recorder = new HistoryRecorder();
    recorder.write("c1", "k", "a");
    recorder.read("c2", "k");
    recorder.cas("c3", "k", { exists: false }, "b");
    recorder.delete("c4", "k");
    recorder.read("c5", "k").end({ kind: "value", value: "b" });
    const history = recorder.history();
    expect(history.map(({ outcome }) => outcome.kind)).toEqual([
      "value",
      "unknown",
      "failed",
      "unknown",
      "unknown",
    ]);
    expect(recorder.open).toBe(4);
    expect(checkLinearizability(history).verdict).toBe("linearizable");
  });

  it("LN-13 a history survives its way through a file", () => {
    const recorder = new HistoryRecorder();
    recorder.write("c1", "k", "a").end({ kind: "unknown", reason: "COMMIT_UNKNOWN" });
    recorder.read("c2", "k").end({ kind: "absent" });
    const history = recorder.history();
    expect(JSON.parse(JSON.stringify(history))).toEqual(history);
  });

  it("LN-13 clients of several processes share the monotonic clock", async () => {
    const time = new VirtualTime();
    const [here, there] = [
      new HistoryRecorder(clockOrder(time)),
      new HistoryRecorder(clockOrder(time)),
    ];
    await time.advance(1);
    const write = here.write("c1", "k", "a");
    await time.advance(2);
    write.end({ kind: "done" });
    const same = there.read("c2", "k");
    await time.advance(1);
    same.end({ kind: "absent" });
    const later = there.read("c2", "k");
    await time.advance(1);
    later.end({ kind: "absent" });
    const [atTheSameTime, afterwards] = there.history();
    expect([atTheSameTime?.invokedAt, afterwards?.invokedAt]).toEqual([3000, 4000]);
    const [written] = here.history();
    expect(checkLinearizability([written!, atTheSameTime!]).verdict).toBe("linearizable");
    expect(checkLinearizability([written!, afterwards!]).verdict).toBe("violation");
  });
});
