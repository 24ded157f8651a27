import { inspectContent } from "../content/inspect-content.js";
import { GraphRules } from "../graph-rules.js";
import type { SqliteModel } from "./model.js";
import { repairStore } from "./repair.js";
import { SqliteContent } from "./sqlite-content.js";
import { SqliteStore } from "./sqlite-store.js";

const TABLES = `
CREATE TABLE nodes (
  id TEXT UNIQUE NOT NULL, labels TEXT NOT NULL, properties TEXT NOT NULL,
  version INTEGER NOT NULL, hash INTEGER NOT NULL
);
CREATE TABLE node_labels (
  label TEXT NOT NULL, node_id TEXT NOT NULL, PRIMARY KEY (label, node_id)
) WITHOUT ROWID;
CREATE TABLE edges (
  id TEXT UNIQUE NOT NULL, from_id TEXT NOT NULL, to_id TEXT NOT NULL, type TEXT NOT NULL,
  properties TEXT NOT NULL, version INTEGER NOT NULL, hash INTEGER NOT NULL
);
CREATE INDEX edges_by_from ON edges (from_id, id);
CREATE INDEX edges_by_to ON edges (to_id, id);
CREATE TABLE indexes (
  id INTEGER PRIMARY KEY, label TEXT NOT NULL, property TEXT NOT NULL,
  version INTEGER NOT NULL, hash INTEGER NOT NULL, UNIQUE (label, property)
);
CREATE TABLE index_entries (
  index_id INTEGER NOT NULL, value_key TEXT NOT NULL, node_id TEXT NOT NULL,
  PRIMARY KEY (index_id, value_key, node_id)
) WITHOUT ROWID;
`;

/** The graph in a SQLite file. */
export const graphModel: SqliteModel<GraphRules> = {
  name: "graph",
  tables: TABLES,
  open: (connection) => {
    const store = new SqliteStore(connection);
    return {
      rules: new GraphRules(store),
      reload: () => store.reload(),
      repair: (records) => repairStore(connection, store, records),
    };
  },
  inspect: (connection, query, pause) =>
    inspectContent(new SqliteContent(connection), query, pause),
};
