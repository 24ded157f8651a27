import { describe, expect, it } from "vitest";
import { Clients } from "../chaos/support/clients.js";
import { finalCheck } from "../chaos/support/final-check.js";
import { loseLeaders, spread } from "../chaos/support/leader-kills.js";
import { RaftCluster } from "../chaos/support/raft-cluster.js";

const ROUNDS = 2;

describe("three processes", () => {
  it("RA-1 RA-8 RA-14 kill -9 of the leader loses no acknowledged write, and every history is linearizable", async () => {
    await using cluster = await RaftCluster.start({ nodes: 3 });
    const clients = new Clients({ clients: 16, seed: 6, nodes: () => cluster.nodes });
    clients.start();
    const losses = await loseLeaders({ cluster, clients, rounds: ROUNDS, signal: "SIGKILL" });
    const check = await finalCheck(cluster, clients);
    console.log(`from kill to the next write ${spread(losses.gapsMs)}; ${check.text}`);
    expect(losses.violations).toEqual([]);
    expect(check.problems).toEqual([]);
    expect(losses.operations).toBeGreaterThan(0);
    expect(check.acknowledged).toBeGreaterThan(0);
  });
});
