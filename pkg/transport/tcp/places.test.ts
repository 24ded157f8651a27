import { describe, expect, it } from "vitest";
import { parseNodeId } from "../../base/index.js";
import type { LaneName, Session } from "./handshake.js";
import { type Occupant, Places } from "./places.js";

function link(): Occupant & { readonly closed: boolean } {
  const listeners: (() => void)[] = [];
  const made = {
    closed: false,
    whenClosed: (run: () => void) => void listeners.push(run),
    close: () => {
      made.closed = true;
      for (const run of listeners.splice(0)) run();
    },
  };
  return made;
}

function claim(instance: string, lane: LaneName = "normal", cluster = "c"): Omit<Session, "seals"> {
  return { peer: parseNodeId("a") as Session["peer"], cluster, lane, instance };
}

describe("places", () => {
  it("TR-43 the newest link of a peer and lane counts, the older is closed (FC-134)", () => {
    const places = new Places();
    const [first, second, urgent] = [link(), link(), link()];
    expect(places.claim(claim("1"), first)).toBe(true);
    expect(places.claim(claim("1", "urgent"), urgent)).toBe(true);
    expect(places.claim(claim("1"), second)).toBe(true);
    expect([first.closed, second.closed, urgent.closed]).toEqual([true, false, false]);
  });

  it("TR-36 a displaced process gets its place back only when the other is gone", () => {
    const places = new Places();
    const [first, second, third] = [link(), link(), link()];
    places.claim(claim("old"), first);
    places.claim(claim("new"), second);
    expect(places.claim(claim("old"), third)).toBe(false);
    expect(second.closed).toBe(false);
    second.close("gone");
    expect(places.claim(claim("old"), third)).toBe(true);
    expect(places.claim(claim("new"), link())).toBe(true);
  });

  it("TR-47 nodes of one name in different clusters do not take each other's place", () => {
    const places = new Places();
    const [first, second] = [link(), link()];
    expect(places.claim(claim("1", "normal", "x"), first)).toBe(true);
    expect(places.claim(claim("2", "normal", "y"), second)).toBe(true);
    expect(first.closed).toBe(false);
  });

  it("TR-36 of three processes of one name only the last stays", () => {
    const places = new Places();
    const links = [link(), link(), link()];
    for (const [i, made] of links.entries()) places.claim(claim(`${i}`), made);
    expect(places.claim(claim("0"), link())).toBe(false);
    expect(places.claim(claim("1"), link())).toBe(false);
    expect(places.claim(claim("2"), link())).toBe(true);
    expect(links.map((l) => l.closed)).toEqual([true, true, true]);
  });

  it("TR-36 the memory of displaced processes is bounded", () => {
    const places = new Places();
    for (let n = 0; n < 100; n++) expect(places.claim(claim(`${n}`), link())).toBe(true);
    expect(places.claim(claim("98"), link())).toBe(false);
    expect(places.claim(claim("0"), link())).toBe(true);
  });
});
