// Whether a service serves, for the health checks of docker-compose.yml; exit code 1 when it does not.
//
//   node deploy/check-health.mjs localhost:50051                 gRPC health
//   node deploy/check-health.mjs http://localhost:8000/health    HTTP
//
// Over TLS the address is https://…, for gRPC too: https://localhost:50051. The certificate has to be for
// its host; --ca-file names the authority, --certificate-file and --key-file what is shown where a
// port asks for a certificate.
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import process from "node:process";
import { parseArgs } from "node:util";
import { createClient } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus } from "@pelikuni/gen/grpc/health/v1/health_pb";
import { openCertificates } from "@pelikuni/runtime/certificates";
import { createGrpcTransport } from "@pelikuni/runtime/rpc-transport";

const deadlineMs = 2_000;
const file = { type: "string" };
const { positionals, values: files } = parseArgs({
  allowPositionals: true,
  options: { "ca-file": file, "certificate-file": file, "key-file": file },
});
const [address = ""] = positionals;
const [, scheme, host, path] = /^(?:(https?):\/\/)?([^/]+)(\/.*)?$/.exec(address) ?? [];
const ca_file = files["ca-file"];
const certificate_file = files["certificate-file"];
const key_file = files["key-file"];
const healthy = await (path === undefined ? checkGrpc() : checkHttp()).catch((error) => {
  process.stderr.write(`${error}\n`);
  return false;
});
process.exit(healthy ? 0 : 1);

function checkHttp() {
  const { get } = scheme === "https" ? https : http;
  const [ca, cert, key] = [ca_file, certificate_file, key_file].map(
    (name) => name && readFileSync(name),
  );
  const options = { ca, cert, key, signal: AbortSignal.timeout(deadlineMs) };
  return new Promise((resolve, reject) => {
    get(address, options, ({ statusCode }) => resolve(statusCode === 200)).on("error", reject);
  });
}

async function checkGrpc() {
  const pem = { ca_file, certificate_file, key_file };
  const tls = scheme === "https" ? openCertificates(pem, "the health check") : undefined;
  const limits = { messageBytesMax: 65_536, deadlineDefaultMs: deadlineMs };
  const transport = createGrpcTransport({ address: host, tls, ...limits });
  const { status } = await createClient(Health, transport).check({});
  return status === HealthCheckResponse_ServingStatus.SERVING;
}
