import path from "node:path";
import { openRegionStorage } from "../../../pkg/storage/index.js";
import { type Library, openLibrary, USUAL } from "./pair.js";
import { freePort, type Server, startNornicd } from "./processes.js";

type Environment = Readonly<Record<string, string>>;

/** Two regions of one node each: `eu` is this process, `us` one of its own. */
export interface RegionPair {
  readonly eu: Environment;
  readonly us: Environment;
}

export async function regionPair(directory: string): Promise<RegionPair> {
  const [eu, us] = [await freePort(), await freePort()];
  const of = (region: string, port: number, remote: string) => {
    const dataDir = path.join(directory, region);
    return {
      NORNICDB_CLUSTER_MODE: "multi_region",
      NORNICDB_CLUSTER_NODE_ID: region,
      NORNICDB_CLUSTER_BIND_ADDR: `127.0.0.1:${port}`,
      NORNICDB_CLUSTER_RAFT_PEERS: `${region}:127.0.0.1:${port}`,
      NORNICDB_CLUSTER_RAFT_BOOTSTRAP: "true",
      NORNICDB_CLUSTER_REGION_ID: region,
      NORNICDB_CLUSTER_REMOTE_REGIONS: remote,
      NORNICDB_DATA_DIR: dataDir,
      NORNICDB_CLUSTER_DATA_DIR: path.join(dataDir, "replication"),
    };
  };
  return {
    eu: of("eu", eu, `us:127.0.0.1:${us}`),
    us: of("us", us, `eu:127.0.0.1:${eu}`),
  };
}

export function openRegion(environment: Environment, keys = USUAL.keys): Promise<Library> {
  return openLibrary(environment, { ...USUAL, keys }, openRegionStorage);
}

export function startRegion(environment: Environment): Promise<Server> {
  return startNornicd(environment);
}

/** Changes that the other region lacks, as this one knows; undefined while they are not in touch. */
export async function remoteLag({ replicator }: Library): Promise<number | undefined> {
  const { regions } = await replicator.health();
  const remote = regions?.[0];
  return remote?.state === "streaming" ? (remote.lagEntries ?? undefined) : undefined;
}
