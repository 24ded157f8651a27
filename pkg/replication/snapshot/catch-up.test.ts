import { describe, expect, it } from "vitest";
import type { LogIndex, NodeId } from "../../base/index.js";
import { CatchUp } from "./catch-up.js";

const at = (index: number) => index as LogIndex;
const [a, b] = ["a" as NodeId, "b" as NodeId];

describe("CatchUp", () => {
  it("RA-21 what follows a copy is kept for its receiver, for as long as was said (FC-026)", () => {
    const catchUp = new CatchUp(2);
    catchUp.begin(a, at(70));
    catchUp.tick();
    expect(catchUp.needed()).toEqual([70]);
    catchUp.tick();
    expect(catchUp.needed()).toEqual([]);
  });

  it("RA-21 each receiver has its own time, and a newer copy of its own starts it again", () => {
    const catchUp = new CatchUp(2);
    catchUp.begin(a, at(70));
    catchUp.tick();
    catchUp.begin(b, at(90));
    catchUp.begin(a, at(80));
    catchUp.tick();
    expect(catchUp.needed()).toEqual([80, 90]);
    catchUp.tick();
    expect(catchUp.needed()).toEqual([]);
  });
});
