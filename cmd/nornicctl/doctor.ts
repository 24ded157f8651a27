import type { LoadedConfig } from "../../pkg/config/index.js";
import { EXIT } from "../exit-codes.js";
import { type Answer, table } from "./answer.js";
import { checkConfiguration, checkFolders, checkLog, checkSync } from "./doctor-data.js";
import {
  checkClock,
  checkMemory,
  checkNodeVersion,
  checkOpenFiles,
  checkSqlite,
} from "./doctor-machine.js";
import { checkPorts } from "./doctor-ports.js";
import { causeText } from "./failure.js";
import type { Finding } from "./finding.js";
import type { Io } from "./io.js";
import { foldersOf, type SettingsOptions, settingsFrom } from "./settings.js";

type Check = () => Finding | readonly Finding[] | Promise<Finding | readonly Finding[]>;

/** Whether a node with these settings can run well on this machine; exit 2 when it cannot. */
export async function doctor(options: SettingsOptions, io: Io): Promise<Answer> {
  const { finding, loaded } = checkConfiguration(() => settingsFrom(options, io));
  const findings: Finding[] = [finding];
  const checks: Readonly<Record<string, Check>> = {
    node: checkNodeVersion,
    sqlite: checkSqlite,
    memory: checkMemory,
    files: checkOpenFiles,
    ...(loaded === undefined ? {} : checksOf(loaded)),
  };
  for (const [name, check] of Object.entries(checks)) {
    io.progress(`checking ${name}`);
    findings.push(...(await run(name, check)));
  }
  const worst = (status: Finding["status"]) => findings.some((one) => one.status === status);
  const rows = findings.flatMap(({ status, name, detail, next }) => [
    [status, name, detail],
    ...(next === undefined ? [] : [["", "", `next: ${next}`]]),
  ]);
  return {
    exit: worst("fail") ? EXIT.problemFound : EXIT.ok,
    json: { ok: !worst("fail"), findings },
    text: table(rows),
  };
}

function checksOf(loaded: LoadedConfig): Readonly<Record<string, Check>> {
  const folders = foldersOf(loaded);
  return {
    clock: () => checkClock(folders),
    folders: () => checkFolders(folders, loaded.config.diskReserveBytes),
    sync: () => checkSync(folders),
    log: () => checkLog(folders),
    ports: () => checkPorts(loaded.config),
  };
}

/** A check that breaks is a finding too. */
async function run(name: string, check: Check): Promise<readonly Finding[]> {
  try {
    return [await check()].flat();
  } catch (error) {
    const detail = `could not be checked: ${causeText(error)}`;
    return [{ name, status: "fail", detail, next: "see the reason; check rights and paths" }];
  }
}
