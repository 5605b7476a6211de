import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import type { Server, ServiceDefinition } from "@grpc/grpc-js";
import { ReflectionService } from "@grpc/reflection";

/**
 * Lets clients ask for the contract, so that grpcurl and buf curl need no .proto files.
 * @param serviceNames the services to list
 * @param descriptorSet a google.protobuf.FileDescriptorSet with their files and all imports
 */
export function addReflection(
  server: Pick<Server, "addService">,
  serviceNames: string[],
  descriptorSet: Uint8Array,
): void {
  const files = new Map<string, Buffer>();
  for (const file of fromBinary(FileDescriptorSetSchema, descriptorSet).file) {
    files.set(file.name, Buffer.from(toBinary(FileDescriptorProtoSchema, file)));
  }
  const contract = {
    format: "Protocol Buffer 3 EnumDescriptorProto" as const,
    type: {},
    fileDescriptorProtos: [...files.values()],
  };
  const reflection = new ReflectionService({ contract }, { services: serviceNames });
  reflection.addToServer({
    addService: (definition, implementation) =>
      server.addService(withOriginalFiles(definition, files), implementation),
  });
}

// The reflection service decodes and encodes each file with a library that drops the options it
// does not know, among them the validation rules; the bytes that it answers are therefore replaced
// by the original ones.
function withOriginalFiles(
  definition: ServiceDefinition,
  files: ReadonlyMap<string, Buffer>,
): ServiceDefinition {
  const original = (bytes: Uint8Array): Uint8Array =>
    files.get(fromBinary(FileDescriptorProtoSchema, bytes).name) ?? bytes;
  return Object.fromEntries(
    Object.entries(definition).map(([name, method]) => [
      name,
      {
        ...method,
        responseSerialize: (response) => {
          const found = response.fileDescriptorResponse;
          if (found !== undefined)
            found.fileDescriptorProto = found.fileDescriptorProto.map(original);
          return method.responseSerialize(response);
        },
      },
    ]),
  );
}
