import { runSeed } from "./run.js";
import { World } from "./world.js";

/** `SIM_SEED` (1), `SIM_COUNT` (100), `SIM_STEPS` (5000): runs seeds one after the other. */
const first = Number(process.env.SIM_SEED ?? 1);
const count = Number(process.env.SIM_COUNT ?? 100);
const stepsMax = Number(process.env.SIM_STEPS ?? 5000);
const began = process.hrtime.bigint();
let steps = 0;
let failed = 0;
const notes = new Map<string, number>();
for (let seed = first; seed < first + count; seed += 1) {
  try {
    const report = runSeed(seed, stepsMax);
    steps += report.steps;
    for (const [name, times] of report.notes) notes.set(name, (notes.get(name) ?? 0) + times);
    notes.set("answers", (notes.get("answers") ?? 0) + report.answers);
    notes.set("reads", (notes.get("reads") ?? 0) + report.reads);
  } catch (error) {
    if (!World.isViolation(error)) throw error;
    failed += 1;
    process.stdout.write(`seed ${seed}: ${error.message}\n`);
    if (failed === 1) process.stdout.write(`${error.stack}\n`);
  }
}
const seconds = Number(process.hrtime.bigint() - began) / 1e9;
const rate = Math.round(steps / seconds);
process.stdout.write(`${count} seeds, ${steps} steps, ${failed} failed, ${rate} steps/s\n`);
process.stdout.write(`${[...notes].map(([name, times]) => `${name}=${times}`).join(" ")}\n`);
process.exitCode = failed === 0 ? 0 : 1;
