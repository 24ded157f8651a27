import { inspectContent } from "../content/inspect-content.js";
import { graphModel } from "../sqlite/graph-model.js";
import type { SqliteModel } from "../sqlite/model.js";
import { type RegionalOptions, strategyOf } from "./open-session.js";
import { RegionContent, repairRegion } from "./region-content.js";
import { WriterRegionLog } from "./region-log.js";
import { RegionalRules } from "./regional-rules.js";
import { REGION_TABLES, SqliteRegionStore } from "./sqlite-regions.js";

/** The graph of a region in a SQLite file; a file that holds a graph becomes one. */
export function regionModel(options: RegionalOptions): SqliteModel<RegionalRules> {
  return {
    name: "region",
    tables: graphModel.tables + REGION_TABLES,
    growsFrom: { name: graphModel.name, tables: REGION_TABLES },
    hasLargeCommands: true,
    open: (connection) => {
      const store = new SqliteRegionStore(connection);
      const rules = new RegionalRules(store, options);
      if (rules.region !== undefined) strategyOf(rules.region.settings, options.resolver);
      return {
        rules,
        regions: new WriterRegionLog(connection, rules, options.resolver !== undefined),
        reload: () => {
          store.reload();
          rules.reload();
        },
        flush: () => rules.flush(),
        repair: (records) => {
          const repaired = repairRegion(connection, store, records);
          rules.reload();
          return repaired;
        },
      };
    },
    inspect: (connection, query, pause) =>
      inspectContent(new RegionContent(connection), query, pause),
  };
}
