// Joins a socket in the file system to an address of this network namespace; ends with its parent.
// usage: socket-relay.mjs SOCKET HOST:PORT
import { connect, createServer } from "node:net";

const [socketPath, address] = process.argv.slice(2);
const [host, port] = address.split(":");
createServer({ noDelay: true }, (near) => {
  const far = connect({ host, port: Number(port), noDelay: true });
  for (const [socket, other] of [
    [near, far],
    [far, near],
  ]) {
    socket.on("error", () => {});
    socket.on("close", () => other.destroy());
    socket.pipe(other);
  }
}).listen(socketPath, () => process.stdout.write("listening\n"));
process.stdin.on("end", () => process.exit(0)).resume();
