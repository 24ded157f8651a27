import { describe, expect, it } from "vitest";
import { settle, VirtualTime } from "../../../test/support/index.js";
import type { NodeId } from "../../base/index.js";
import type { Answer } from "../driver/driver.js";
import { type ErrorCode, ReplicationError } from "../errors.js";
import { type ForwardedAnswer, Forwarder } from "./forwarder.js";

const PATIENCE_MS = 1_000;

/** A follower of n2 whose attempts are answered in turn by these refusals. */
async function outcomeOf(...refusals: readonly ErrorCode[]): Promise<string> {
  const time = new VirtualTime();
  const answers: Answer[] = [];
  const left = [...refusals];
  const forwarder = new Forwarder({
    clock: time,
    patienceMs: PATIENCE_MS,
    retryMs: PATIENCE_MS,
    self: "n1" as NodeId,
    leader: () => "n2" as NodeId,
    propose: () => expect.unreachable(),
    forward: async (): Promise<readonly ForwardedAnswer[]> => {
      const code = left.shift();
      if (code === undefined) throw new Error("the link broke");
      return [{ refused: new ReplicationError(code, "said the leader") }];
    },
    answer: (final) => answers.push(...final),
    noLeader: () => new ReplicationError("NO_LEADER", "nobody was found"),
  });
  forwarder.submit([{ ticket: 1, payload: new Uint8Array([1]) }]);
  for (let tries = 0; tries < 20 && answers.length === 0; tries += 1) {
    await settle();
    await time.advance(PATIENCE_MS / 10);
    forwarder.retry();
  }
  const [answer] = answers;
  return answer !== undefined && "refused" in answer ? answer.refused.code : "no refusal";
}

describe("forwarded writes", () => {
  it("RB-3 a refusal after an attempt of unknown fate is unknown", async () => {
    expect(await outcomeOf("COMMIT_UNKNOWN", "READ_ONLY")).toBe("COMMIT_UNKNOWN");
    expect(await outcomeOf("COMMIT_UNKNOWN", "OVERLOADED")).toBe("COMMIT_UNKNOWN");
    expect(await outcomeOf("NOT_LEADER", "COMMIT_UNKNOWN", "NOT_LEADER", "READ_ONLY")).toBe(
      "COMMIT_UNKNOWN",
    );
  });

  it("RB-3 so is the end of patience after a link that broke", async () => {
    const refusals = new Array<ErrorCode>(20).fill("NO_LEADER");
    expect(await outcomeOf("COMMIT_UNKNOWN", ...refusals)).toBe("COMMIT_UNKNOWN");
    expect(await outcomeOf()).toBe("COMMIT_UNKNOWN");
  });

  it("RB-3 a refusal of every attempt means that nothing happened", async () => {
    expect(await outcomeOf("TOO_LARGE")).toBe("TOO_LARGE");
    expect(await outcomeOf(...new Array<ErrorCode>(20).fill("NOT_LEADER"))).toBe("NOT_LEADER");
  });

  it("RB-9 a leader that stops ends no write of another node's client", async () => {
    expect(await outcomeOf("SHUTTING_DOWN", "NOT_LEADER", "TOO_LARGE")).toBe("TOO_LARGE");
  });

  it("RB-7 a key blocked by an attempt of unknown fate is waited for", async () => {
    expect(await outcomeOf("KEY_BLOCKED")).toBe("KEY_BLOCKED");
    const blocked = new Array<ErrorCode>(20).fill("KEY_BLOCKED");
    expect(await outcomeOf("COMMIT_UNKNOWN", ...blocked)).toBe("COMMIT_UNKNOWN");
  });
});
