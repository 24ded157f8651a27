import path from "node:path";
import { loadConfig } from "../../../pkg/config/index.js";
import { systemTimers } from "../../../pkg/runtime/node/index.js";
import { openSqliteStorage } from "../../../pkg/storage/index.js";
import { createReplicator } from "../../../pkg/wiring/index.js";
import type { Command } from "../command.js";

export const open: Command = {
  usage: "open NAME: a standalone replicator as a library, where a node of that name would be",
  async run(world, args) {
    const name = args.word(0, "the name");
    const directory = path.join(world.home, name);
    const { config } = loadConfig({
      env: {
        NORNICDB_CLUSTER_NODE_ID: name,
        NORNICDB_DATA_DIR: directory,
        NORNICDB_CLUSTER_DATA_DIR: path.join(directory, "replication"),
        NORNICDB_CLUSTER_THREADS: "single",
      },
    });
    const storage = await openSqliteStorage({
      path: path.join(directory, "graph.db"),
      threads: "single",
      timers: systemTimers,
    });
    world.libraries.set(name, createReplicator(config, storage));
    return "opened";
  },
};
