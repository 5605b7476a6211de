// Whether a service serves, for the health checks of docker-compose.yml; exit code 1 when it does not.
//
//   node deploy/check-health.mjs localhost:50051                 gRPC health
//   node deploy/check-health.mjs http://localhost:8000/health    HTTP
import process from "node:process";
import { createClient } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus } from "@pelikuni/gen/grpc/health/v1/health_pb";
import { createGrpcTransport } from "@pelikuni/runtime/rpc-transport";

const deadlineMs = 2_000;
const [, , address = ""] = process.argv;
const healthy = await (address.startsWith("http") ? checkHttp() : checkGrpc()).catch((error) => {
  process.stderr.write(`${error}\n`);
  return false;
});
process.exit(healthy ? 0 : 1);

async function checkHttp() {
  const response = await fetch(address, { signal: AbortSignal.timeout(deadlineMs) });
  return response.ok;
}

async function checkGrpc() {
  const options = { address, messageBytesMax: 65_536, deadlineDefaultMs: deadlineMs };
  const { status } = await createClient(Health, createGrpcTransport(options)).check({});
  return status === HealthCheckResponse_ServingStatus.SERVING;
}
