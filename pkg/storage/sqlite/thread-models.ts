import { invariant } from "../../base/index.js";
import { regionModel } from "../regions/region-model.js";
import { RegionFileReader } from "../regions/region-reader.js";
import { REGION_RULES } from "../regions/rules.js";
import type { Connection } from "./connection.js";
import { graphModel } from "./graph-model.js";
import type { SqliteModel } from "./model.js";
import type { GraphCommandRules } from "./single-storage.js";
import { SqliteReader } from "./sqlite-reader.js";
import type { StoreSettings } from "./worker-messages.js";

/** What the threads of a storage work on. Both only know what crosses to them: names, no functions. */
export function threadModel({ identity }: StoreSettings): SqliteModel<GraphCommandRules> {
  if (identity.model === graphModel.name) return graphModel;
  const model = regionModel(REGIONAL);
  invariant(identity.model === model.name, "a thread is started for a model that it knows");
  return model;
}

export function threadReader({ identity }: StoreSettings, connection: Connection): SqliteReader {
  const { model, rememberedRequestsMax } = identity;
  if (model === graphModel.name) return new SqliteReader(connection, rememberedRequestsMax);
  return threadRegionReader({ identity }, connection);
}

export function threadRegionReader(
  { identity }: Pick<StoreSettings, "identity">,
  connection: Connection,
): RegionFileReader {
  return new RegionFileReader(connection, identity.rememberedRequestsMax, REGIONAL);
}

const REGIONAL = { rules: REGION_RULES, resolver: undefined };
