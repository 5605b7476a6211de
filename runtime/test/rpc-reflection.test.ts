import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Client, credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readDescriptorSet, startTestServer, type TestServer } from "./rpc-test-server.ts";

let running: TestServer;
let grpc: Client;

beforeAll(async () => {
  running = await startTestServer({});
  grpc = new Client(`127.0.0.1:${running.server.grpcPort}`, credentials.createInsecure());
});

afterAll(async () => {
  grpc.close();
  await running[Symbol.asyncDispose]();
});

// Fields of grpc.reflection.v1.ServerReflectionRequest and Response.
const fileByFilename = 3;
const fileContainingSymbol = 4;
const listServices = 7;
const fileDescriptorResponse = 4;
const listServicesResponse = 6;

test.each(["v1", "v1alpha"])(
  "%s lists the services that are served, and health",
  async (version) => {
    const answer = await reflect(version, listServices, "*");
    const services = fieldsOf(fieldsOf(answer, listServicesResponse)[0], 1);
    expect(services.map((service) => String(fieldsOf(service, 1)[0]))).toEqual(
      expect.arrayContaining(["grpc.health.v1.Health", "pelikuni.wallet.v1.WalletService"]),
    );
    expect(services).toHaveLength(2);
  },
);

test.each(["v1", "v1alpha"])(
  "%s answers a file as it is, its validation rules included",
  async (version) => {
    const { file } = fromBinary(FileDescriptorSetSchema, await readDescriptorSet());
    const name = "pelikuni/wallet/v1/wallet_service.proto";
    const original = file.find((candidate) => candidate.name === name);
    if (original === undefined) throw new Error(`${name} is missing`);
    const answers = [
      await reflect(version, fileByFilename, name),
      await reflect(version, fileContainingSymbol, "pelikuni.wallet.v1.WalletService"),
    ];
    for (const answer of answers) {
      const [bytes] = fieldsOf(fieldsOf(answer, fileDescriptorResponse)[0], 1);
      expect(bytes?.equals(toBinary(FileDescriptorProtoSchema, original))).toBe(true);
    }
  },
);

function reflect(version: string, field: number, value: string): Promise<Buffer> {
  const same = (buffer: Buffer): Buffer => buffer;
  const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
  const call = grpc.makeBidiStreamRequest(path, same, same);
  call.write(Buffer.from(new BinaryWriter().tag(field, 2).string(value).finish()));
  return new Promise((resolve, reject) => {
    call.once("data", (answer: Buffer) => {
      call.end();
      resolve(answer);
    });
    call.once("error", reject);
  });
}

/** The values of a field of a message, as bytes. */
function fieldsOf(message: Buffer | undefined, field: number): Buffer[] {
  const values: Buffer[] = [];
  const reader = new BinaryReader(message ?? Buffer.alloc(0));
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (number === field) values.push(Buffer.from(reader.bytes()));
    else reader.skip(wireType);
  }
  return values;
}
