import { describe, expect, it } from "vitest";
import { VirtualTime } from "../../../test/support/index.js";
import type { LogIndex, Term } from "../../base/index.js";
import type { Receipt } from "../replicator.js";
import { PendingWrites } from "./pending-writes.js";

const receipt = (index: number): Receipt => ({
  index: index as LogIndex,
  term: 1 as Term,
  durability: "local",
  replayed: false,
  result: null,
});

function open() {
  const time = new VirtualTime();
  return { time, pending: new PendingWrites(time, time) };
}

describe("pending writes", () => {
  it("CL-2 a wait ends at its deadline with an unknown outcome (FC-144, FC-192)", async () => {
    const { time, pending } = open();
    const late = pending.wait(1, 200);
    const assertion = expect(late).rejects.toMatchObject({
      code: "COMMIT_UNKNOWN",
      outcome: "unknown",
    });
    await time.advance(300);
    await assertion;
    expect(pending.size).toBe(0);
  });

  it("CL-2 a late answer is dropped, and still moves what reads must see", async () => {
    const { time, pending } = open();
    const late = pending.wait(1, 100);
    const assertion = expect(late).rejects.toMatchObject({ code: "COMMIT_UNKNOWN" });
    await time.advance(200);
    await assertion;
    pending.resolve(1, receipt(9));
    expect(pending.lastAnswered).toEqual({ index: 9, term: 1 });
  });

  it("CL-2 an aborted signal ends the wait, never the write", async () => {
    const { pending } = open();
    const controller = new AbortController();
    const wait = pending.wait(1, 1_000, controller.signal);
    controller.abort();
    await expect(wait).rejects.toMatchObject({ code: "COMMIT_UNKNOWN" });
    expect(pending.size).toBe(0);
  });

  it("CL-2 a signal that many share ends those that still wait, and no others", async () => {
    const { pending } = open();
    const controller = new AbortController();
    const answered = pending.wait(1, 1_000, controller.signal);
    const waiting = pending.wait(2, 1_000, controller.signal);
    const other = pending.wait(3, 1_000);
    pending.resolve(1, receipt(4));
    controller.abort();
    expect(await answered).toMatchObject({ index: 4 });
    await expect(waiting).rejects.toMatchObject({ code: "COMMIT_UNKNOWN" });
    pending.resolve(3, receipt(5));
    expect(await other).toMatchObject({ index: 5 });
  });

  it("CL-5 closing ends every wait", async () => {
    const { pending } = open();
    const waits = [pending.wait(1, 1_000), pending.wait(2, 1_000)].map((wait) =>
      expect(wait).rejects.toMatchObject({ code: "COMMIT_UNKNOWN" }),
    );
    pending.abandon("closed");
    await Promise.all(waits);
    expect(pending.size).toBe(0);
  });
});
