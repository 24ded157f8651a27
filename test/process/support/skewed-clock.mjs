// Loaded before a program (NODE_OPTIONS=--import): its wall clock is off by the milliseconds that
// stand in the file CLOCK_SKEW_FILE, which may be written anew while it runs.
import { readFileSync } from "node:fs";

const LOOK_MS = 50;
const file = process.env.CLOCK_SKEW_FILE;
const now = Date.now;
let skewMs = 0;

function look() {
  skewMs = Number(readFileSync(file, "utf8"));
}

look();
setInterval(look, LOOK_MS).unref();
Date.now = () => now() + skewMs;
