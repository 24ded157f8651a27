import { expect, test } from "vitest";
import { settle, VirtualTime } from "../../../test/support/index.js";
import type { PeerConnection, PeerMessage } from "../ports/index.js";
import { AP, EU, US } from "./core/testing.js";
import { RegionLinks } from "./links.js";
import { toAnswerFrame } from "./wire/index.js";

const MESSAGE = { from: EU, contains: new Map(), runs: [] };
const TAKEN = toAnswerFrame({ kind: "taken", have: new Map(), learned: true });

/** Links to `us` at two addresses; `answers` says what comes from where. */
function open(answers: (address: string) => Promise<PeerMessage>) {
  const time = new VirtualTime();
  const events: string[] = [];
  const connect = ({ address }: { readonly address: string }): PeerConnection => {
    events.push(`dial ${address}`);
    return {
      address,
      isConnected: () => true,
      call: () => answers(address),
      close: async () => void events.push(`close ${address}`),
    };
  };
  const links = new RegionLinks({
    transport: { connect },
    remotes: new Map([[US, ["a:1", "b:1"]]]),
    callTimeoutMs: 1_000,
    clock: time,
    timers: time,
    remarks: () => ({}),
  });
  return { links, events, time };
}

test("MR-44 nothing is dialled before there is something to send, nor after that is over", async () => {
  const { links, events } = open(async () => TAKEN);
  expect([links.addressOf(US), links.isConnected(US), events]).toEqual(["a:1", false, []]);
  await links.send(US, MESSAGE);
  await links.send(US, MESSAGE);
  links.disconnect();
  expect(events).toEqual(["dial a:1", "close a:1"]);
  await links.send(US, MESSAGE);
  expect(events.at(-1)).toBe("dial a:1");
  await expect(links.send(AP, MESSAGE)).rejects.toThrow(/no address of region ap/);
});

test("MR-44 who does not answer is passed over, once for all that were sent there", async () => {
  const { links } = open(async (address) => {
    if (address === "a:1") throw new Error("gone");
    return TAKEN;
  });
  const both = [links.send(US, MESSAGE), links.send(US, MESSAGE)];
  for (const sent of both) {
    await expect(sent).rejects.toThrow("gone");
    links.retarget(US, null);
  }
  expect(links.addressOf(US)).toBe("b:1");
  expect(await links.send(US, MESSAGE)).toMatchObject({ kind: "taken" });
});

test("MR-44 whoever is named as leader is asked, even where no setting names it", async () => {
  const { links, events } = open(async () => TAKEN);
  await links.send(US, MESSAGE);
  links.retarget(US, "leader:1");
  await links.send(US, MESSAGE);
  expect(events).toEqual(["dial a:1", "close a:1", "dial leader:1"]);
  links.retarget(US, null);
  expect(links.addressOf(US)).toBe("b:1");
});

test("MR-51 a region is asked until its leader answers, and not for ever", async () => {
  const asked: string[] = [];
  const { links, time } = open(async (address) => {
    asked.push(address);
    if (address === "a:1") throw new Error("gone");
    return toAnswerFrame({ kind: "not_leader", leader: "a:1" });
  });
  const answer = time.run(links.ask(US, MESSAGE), { ticksMax: 1_000 });
  await expect(answer).rejects.toThrow(/gone|not_leader/);
  await settle();
  expect(asked.slice(0, 3)).toEqual(["a:1", "b:1", "a:1"]);
  expect(time.monotonicMs()).toBeLessThan(5_000);
});
