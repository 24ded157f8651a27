import { expect, it } from "vitest";
import type { NodeId } from "../base/index.js";
import { loadConfig } from "../config/index.js";
import { toNodeSetup } from "./node-setup.js";

it("WI-8 a storage with a resolver makes it the region's strategy", () => {
  const { config } = loadConfig({
    env: {
      NORNICDB_CLUSTER_MODE: "multi_region",
      NORNICDB_CLUSTER_NODE_ID: "n1",
      NORNICDB_CLUSTER_BIND_ADDR: "127.0.0.1:7688",
      NORNICDB_CLUSTER_RAFT_PEERS: "n1:127.0.0.1:7688",
      NORNICDB_CLUSTER_REGION_ID: "eu",
      NORNICDB_CLUSTER_REMOTE_REGIONS: "us:127.0.0.1:7689",
      NORNICDB_CLUSTER_CONFLICT_STRATEGY: "manual",
    },
  });
  const identity = { nodeId: "n1" as NodeId, clusterId: "c", diskId: "d" };
  const strategy = (resolves?: boolean) =>
    toNodeSetup(config, identity, resolves).raft?.region?.strategy;
  expect([strategy(), strategy(false), strategy(true)]).toEqual(["manual", "manual", "resolver"]);
});
