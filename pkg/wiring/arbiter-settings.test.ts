import { expect, it } from "vitest";
import { loadConfig } from "../config/index.js";
import { arbiterSettings } from "./arbiter-settings.js";

const PAIR = {
  NORNICDB_CLUSTER_MODE: "ha_standby",
  NORNICDB_CLUSTER_BIND_ADDR: "127.0.0.1:7688",
  NORNICDB_CLUSTER_HA_ROLE: "primary",
  NORNICDB_CLUSTER_HA_PEER_ADDR: "127.0.0.1:7689",
};

const settingsOf = (more: Readonly<Record<string, string>>) =>
  arbiterSettings(loadConfig({ env: { ...PAIR, ...more } }).config, "c");

it("WI-6 a pair's arbiter is the one that its settings name", () => {
  expect(settingsOf({})).toMatchObject({ kind: "peer", addresses: [], leaseTtlMs: 3_000 });
  const witness = {
    NORNICDB_CLUSTER_HA_ARBITER: "witness",
    NORNICDB_CLUSTER_HA_ARBITER_ADDR: "w:7688",
    NORNICDB_CLUSTER_HA_LEASE_TTL: "1s",
    NORNICDB_CLUSTER_HA_HEARTBEAT_MS: "250",
  };
  expect(settingsOf(witness)).toMatchObject({
    kind: "witness",
    clusterId: "c",
    addresses: ["w:7688"],
    leaseTtlMs: 1_000,
  });
  const etcd = {
    NORNICDB_CLUSTER_HA_ARBITER: "etcd",
    NORNICDB_CLUSTER_HA_ARBITER_ADDR: "a:2379,[::1]:2379",
    NORNICDB_CLUSTER_HA_ARBITER_AUTH: "pair:pass:word",
  };
  expect(settingsOf(etcd)).toMatchObject({
    kind: "etcd",
    addresses: ["a:2379", "[::1]:2379"],
    login: { user: "pair", password: "pass:word" },
    tls: undefined,
  });
});
