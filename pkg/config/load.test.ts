import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { type LoadOptions, loadConfig } from "./load.js";
import { ConfigError, type Problem, renderProblems } from "./problem.js";
import { renderConfig, shownValue } from "./render.js";
import { environmentName, SETTING_NAMES, type SettingName, settingOf } from "./settings.js";

const CLUSTER = {
  NORNICDB_CLUSTER_MODE: "raft",
  NORNICDB_CLUSTER_NODE_ID: "n1",
  NORNICDB_CLUSTER_BIND_ADDR: "127.0.0.1:7688",
};

function problemsOf(options: LoadOptions): readonly Problem[] {
  try {
    loadConfig(options);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

const sentences = (env: Record<string, string>) => renderProblems(problemsOf({ env }));

/** For each kind: a good text, how it is shown, another good text, and bad ones. */
const EXAMPLES: Record<string, { good: [string, string]; bad: string[] }> = {
  duration: { good: ["2s", "3s"], bad: ["0", "-1s", "NaN", "1000000000000ms", "5 parsecs"] },
  number: { good: ["7", "8"], bad: ["-1", "NaN", "1.5", "10000000000000", "7x"] },
  boolean: { good: ["true", "false"], bad: ["maybe", "2"] },
  text: { good: ["a/b", "c/d"], bad: ["a\u0000b", "x".repeat(5000)] },
  name: { good: ["n1", "n2"], bad: ["a b", "ö", "x".repeat(129)] },
  address: {
    good: ["127.0.0.1:1", "[::1]:2"],
    bad: ["1.2.3.4", "::1:7", "300.1.1.1:1", "h:65536"],
  },
  "list of peer": { good: ["a:h:1,b:[::1]:2", "c:h:3"], bad: ["a:h", "h:1", "a:h:0", ",a:h:1"] },
  "list of address": { good: ["h:1,i:2", "j:3"], bad: ["h", "h:1,,i:2"] },
  "list of text": { good: ["a,b", "c"], bad: ["a,\u0000"] },
  secret: { good: ["0123456789abcdef", "fedcba9876543210"], bad: ["x".repeat(5000)] },
  credentials: { good: ["u:p", "v:q"], bad: ["user", ":p", "u:"] },
  fallback: { good: ["refuse", "async:5s"], bad: ["async", "async:9000h", "later"] },
};

function examplesOf(name: SettingName): { good: [string, string]; bad: string[] } {
  const { kind } = settingOf(name);
  if (kind.name === "choice") {
    const words = kind.allowed.replace("one of ", "").split(", ");
    return { good: [words[0]!, words[1]!], bad: ["something-else"] };
  }
  return EXAMPLES[kind.name]!;
}

const parsed = (name: SettingName, text: string) => settingOf(name).kind.parse(text);

const TLS_FILES = ["cluster.tls.cert_file", "cluster.tls.key_file", "cluster.tls.ca_file"];
/** These change what the other settings must be; CF-10, CF-11 and CF-16 read them. */
const SWITCHES: readonly string[] = ["cluster.mode", "cluster.tls.enabled", "witness"];

/** Reads one setting; what it breaks with others is not asked here. */
function read(name: SettingName, options: LoadOptions): unknown {
  const others: Record<string, string> = {};
  if (name.startsWith("cluster.tls.")) {
    others["cluster.tls.enabled"] = "true";
    for (const file of TLS_FILES) if (file !== name) others[file] = "f";
  }
  return loadConfig({ ...options, overrides: { ...others, ...options.overrides } }).values[name];
}

function yamlOf(name: SettingName, text: string): { path: string; text: string } {
  const nested = name.split(".").reduceRight<unknown>((inner, key) => ({ [key]: inner }), text);
  return { path: "n.yaml", text: JSON.stringify(nested) };
}

describe.each(SETTING_NAMES.map((name) => ({ name })))("$name", ({ name }) => {
  const env = environmentName(name);
  const { good, bad } = examplesOf(name);

  it("CF-1 takes its default, then file, environment, flag and option, the later the stronger", () => {
    if (SWITCHES.includes(name)) return;
    const setting = settingOf(name);
    const preset = setting.default === null ? null : parsed(name, setting.default);
    if (!TLS_FILES.includes(name)) expect(read(name, {})).toEqual(preset);
    const [one, two] = good;
    const file = yamlOf(name, one);
    expect(read(name, { file })).toEqual(parsed(name, one));
    expect(read(name, { file, env: { [env]: two } })).toEqual(parsed(name, two));
    const overrides = { [name]: one };
    expect(read(name, { file, env: { [env]: two }, overrides })).toEqual(parsed(name, one));
  });

  it("CF-2 refuses what it does not understand, naming the variable (FC-159)", () => {
    for (const text of bad) {
      const [problem] = problemsOf({ env: { [env]: text } });
      expect(problem?.setting, JSON.stringify(text)).toBe(env);
      expect(problem?.allowed).toBe(settingOf(name).kind.allowed);
    }
  });
});

describe("loadConfig", () => {
  it("CF-1 a flag is stronger than the environment and weaker than an option (FC-162)", () => {
    const env = { NORNICDB_DATA_DIR: "/env" };
    const loaded = loadConfig({ env, flags: { "data-dir": "/flag" } });
    expect(loaded.config.dataDir).toBe("/flag");
    expect(loaded.config.mode).toBe("standalone");
    expect(loaded.config.cluster.dataDir).toBe("/flag/replication");
    expect(loaded.origins.get("data_dir")).toEqual({ source: "flag", detail: "--data-dir" });
    const overrides = { data_dir: "/option" };
    expect(loadConfig({ env, flags: { "data-dir": "/flag" }, overrides }).config.dataDir).toBe(
      "/option",
    );
  });

  it("CF-3 ten mistakes at once are ten problems", () => {
    const problems = problemsOf({
      env: {
        ...CLUSTER,
        NORNICDB_CLUSTER_RAFT_ELECTION_TIMEOUT: "0",
        NORNICDB_CLUSTER_RAFT_HEARTBEAT_TIMEOUT: "-5ms",
        NORNICDB_CLUSTER_RAFT_PEERS: "n1",
        NORNICDB_CLUSTER_RAFT_PEERZ: "x",
        NORNICDB_CLUSTER_READ_CONSISTENCY: "SOME",
        NORNICDB_CLUSTER_TLS_ENABLED: "perhaps",
        NORNICDB_HTTP_ADDR: "localhost",
        NORNICDB_LOG_LEVEL: "",
      },
      file: { path: "n.yaml", text: "cluster: {threadz: worker, max_lag: many}" },
    });
    expect(problems).toHaveLength(10);
  });

  it("CF-4 an unknown cluster variable or file key names its nearest neighbour (FC-160)", () => {
    const [variable] = problemsOf({ env: { NORNICDB_CLUSTER_RAFT_PEER: "" } });
    expect(variable?.nearest).toBe("NORNICDB_CLUSTER_RAFT_PEERS");
    const [key] = problemsOf({ file: { path: "n.yaml", text: "cluster:\n  raft:\n    peer: a" } });
    expect(key?.nearest).toBe("cluster.raft.peers");
    expect(key?.setting).toBe("n.yaml:3 cluster.raft.peer");
    expect(problemsOf({ flags: { nodeid: "x" } })[0]?.nearest).toBe("node-id");
  });

  it("CF-5 another prefixed variable is refused near a known name, else warned about", () => {
    expect(problemsOf({ env: { NORNICDB_HTTP_ADRR: "x" } })).toHaveLength(1);
    const { warnings } = loadConfig({ env: { NORNICDB_EMBEDDING_MODEL: "x" } });
    expect(warnings.map((warning) => warning.setting)).toEqual(["NORNICDB_EMBEDDING_MODEL"]);
    const links = {
      NORNICDB_CLUSTER_SERVICE_HOST: "10.0.0.1",
      NORNICDB_CLUSTER_PORT: "tcp://10.0.0.1:7688",
      NORNICDB_CLUSTER_PORT_7688_TCP_ADDR: "10.0.0.1",
      NORNICDB_ENDPOINT: "http://127.0.0.1:7474",
    };
    expect(loadConfig({ env: links }).warnings).toEqual([]);
  });

  it("CF-6 timings that cannot work together are refused (FC-159)", () => {
    const text = sentences({ ...CLUSTER, NORNICDB_CLUSTER_RAFT_ELECTION_TIMEOUT: "100ms" });
    expect(text).toContain("must be longer than NORNICDB_CLUSTER_RAFT_HEARTBEAT_TIMEOUT");
    expect(text).toContain("NORNICDB_CLUSTER_RAFT_LEADER_LEASE_TIMEOUT: must not be longer");
    const pair = sentences({
      ...CLUSTER,
      NORNICDB_CLUSTER_MODE: "ha_standby",
      NORNICDB_CLUSTER_HA_ROLE: "primary",
      NORNICDB_CLUSTER_HA_PEER_ADDR: "b:7688",
      NORNICDB_CLUSTER_HA_LEASE_TTL: "2s",
    });
    expect(pair).toContain("NORNICDB_CLUSTER_HA_LEASE_TTL: must be at least three times");
  });

  it("CF-7 doubles and the own address among peers are refused, even voters warned (FC-158)", () => {
    const env = { ...CLUSTER, NORNICDB_CLUSTER_RAFT_PEERS: "n2:a:1,n2:b:1,n3:127.0.0.1:7688" };
    const text = sentences(env);
    expect(text).toContain("names n2 twice");
    expect(text).toContain("gives n3 this node's own address");
    const even = { ...CLUSTER, NORNICDB_CLUSTER_RAFT_PEERS: "n1:127.0.0.1:7688,n2:a:1" };
    expect(loadConfig({ env: even }).warnings[0]?.sentence).toContain("2 voters");
  });

  it("CF-8 a wildcard is advertised only where one interface settles it", () => {
    const env = {
      ...CLUSTER,
      NORNICDB_CLUSTER_BIND_ADDR: "0.0.0.0:7688",
      NORNICDB_CLUSTER_SECRET: "0123456789abcdef",
    };
    expect(sentences(env)).toContain("NORNICDB_CLUSTER_ADVERTISE_ADDR: names no machine");
    expect(problemsOf({ env, interfaces: ["10.0.0.1", "10.0.0.2"] })).toHaveLength(1);
    const { config } = loadConfig({ env, interfaces: ["10.0.0.1"] });
    expect(config.cluster.advertise).toEqual({ host: "10.0.0.1", port: 7688 });
  });

  it("CF-9 a reachable cluster port without proof of identity is refused, with the cures", () => {
    const env = { ...CLUSTER, NORNICDB_CLUSTER_BIND_ADDR: "10.0.0.1:7688" };
    const text = sentences(env);
    for (const cure of ["TLS_ENABLED", "SECRET", "INSECURE"]) {
      expect(text).toContain(`NORNICDB_CLUSTER_${cure}`);
    }
    expect(sentences({ ...env, NORNICDB_CLUSTER_INSECURE: "yes" })).toBe("");
    expect(sentences({ ...env, NORNICDB_CLUSTER_SECRET: "0123456789abcdef" })).toBe("");
  });

  it("CF-10 half a TLS configuration never falls back to plain text (FC-165)", () => {
    const text = sentences({ ...CLUSTER, NORNICDB_CLUSTER_TLS_ENABLED: "true" });
    for (const file of ["CERT", "KEY", "CA"])
      expect(text).toContain(`TLS_${file}_FILE: is missing`);
    const loose = { ...CLUSTER, NORNICDB_CLUSTER_TLS_CERT_FILE: "c" };
    expect(sentences(loose)).toContain("has no effect without NORNICDB_CLUSTER_TLS_ENABLED");
  });

  it("CF-11 a standby pair needs role, peer, and the address of its arbiter", () => {
    const env = { ...CLUSTER, NORNICDB_CLUSTER_MODE: "ha_standby" };
    const text = sentences({ ...env, NORNICDB_CLUSTER_HA_ARBITER: "witness" });
    expect(text.split("\n").map((line) => line.split(":")[0])).toEqual([
      "NORNICDB_CLUSTER_HA_ROLE",
      "NORNICDB_CLUSTER_HA_PEER_ADDR",
      "NORNICDB_CLUSTER_HA_ARBITER_ADDR",
    ]);
    const two = {
      NORNICDB_CLUSTER_HA_ARBITER_ADDR: "a:1,b:1",
      NORNICDB_CLUSTER_HA_ARBITER_AUTH: "u:p",
    };
    const wrong = sentences({ ...env, ...two, NORNICDB_CLUSTER_HA_ARBITER: "witness" });
    expect(wrong).toContain("ARBITER_ADDR: names several witnesses");
    expect(wrong).toContain("ARBITER_AUTH: has no effect without");
    expect(sentences({ ...env, ...two, NORNICDB_CLUSTER_HA_ARBITER: "etcd" })).not.toContain(
      "ARBITER",
    );
  });

  it("CF-16 a witness is no node, and its port is as guarded as a node's", () => {
    const open = problemsOf({ flags: { witness: "true" } });
    expect(open.map(({ setting }) => setting)).toEqual(["NORNICDB_CLUSTER_BIND_ADDR"]);
    const env = { NORNICDB_WITNESS: "true", NORNICDB_CLUSTER_BIND_ADDR: "127.0.0.1:0" };
    expect(loadConfig({ env }).config.witness).toBe(true);
    expect(sentences({ ...env, NORNICDB_CLUSTER_MODE: "raft" })).toContain(
      "NORNICDB_WITNESS: excludes",
    );
  });

  it("CF-12 no secret is printed, in no form (FC-172)", () => {
    const hidden = "hidden-in-plain-sight";
    const env = { NORNICDB_CLUSTER_SECRET: hidden, NORNICDB_AUTH: `user:${hidden}` };
    const loaded = loadConfig({ env });
    const shown = [
      renderConfig(loaded, { origins: true }),
      JSON.stringify(loaded),
      inspect(loaded, { depth: null }),
      `${loaded.config.cluster.secret}`,
    ].join("\n");
    expect(shown).not.toContain(hidden);
    expect(loaded.config.cluster.secret?.reveal()).toBe(hidden);
    const bad = problemsOf({ env: { NORNICDB_AUTH: `:${hidden}` } });
    expect(JSON.stringify(bad)).not.toContain(hidden);
    expect(bad).toHaveLength(1);
  });

  it("CF-13 a hostile file changes no prototype, expands nothing and ends quickly (FC-175)", () => {
    const keys = "__proto__: {polluted: 1}\nconstructor: {prototype: {polluted: 1}}";
    expect(problemsOf({ file: { path: "n.yaml", text: keys } })).toHaveLength(2);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    const bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b, *b]";
    expect(problemsOf({ file: { path: "n.yaml", text: bomb } }).length).toBeGreaterThan(0);
    const long = problemsOf({ file: { path: "n.yaml", text: "#".repeat(300_000) } });
    expect(renderProblems(long)).toContain("at most 262144");
    const deep = { path: "n.yaml", text: `a: ${"[".repeat(100_000)}` };
    expect(problemsOf({ file: deep }).length).toBeGreaterThan(0);
    expect(problemsOf({ file: { path: "n.yaml", text: "cluster: {mode: raft" } })).toHaveLength(1);
  });

  it("CF-15 what is shown can be read again, and says where it came from", () => {
    const file = { path: "n.yaml", text: "cluster:\n  raft:\n    peers: [a:h:1, b:h:2]\n" };
    const loaded = loadConfig({ env: CLUSTER, file });
    const shown = renderConfig(loaded, { origins: true });
    expect(shown).toContain("mode: raft # environment: NORNICDB_CLUSTER_MODE");
    expect(shown).toContain("peers: a:h:1,b:h:2 # file: n.yaml:3 cluster.raft.peers");
    expect(parse(shown).cluster.node_id).toBe("n1");
    const again = loadConfig({ file: { path: "shown.yaml", text: shown } });
    for (const name of SETTING_NAMES)
      expect(shownValue(again, name)).toBe(shownValue(loaded, name));
    expect(again.config).toEqual(loaded.config);
    expect(Object.isFrozen(loaded.config.raft.peers[0])).toBe(true);
  });
});
