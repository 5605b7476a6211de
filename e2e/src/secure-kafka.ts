import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import type { KafkaListener } from "@pelikuni/local/embedded-kafka";
import { findKafkaLibraries } from "@pelikuni/local/kafka-distribution";
import type { UsedKafka } from "@pelikuni/runtime/kafka";
import type { Logger } from "@pelikuni/runtime/logger";

/** A certificate of one test's own, which is its own authority. */
export interface TestCertificate {
  /** PKCS #12, with the key. */
  readonly keystoreFile: string;
  readonly keystorePassword: string;
  /** PEM, without the key: what clients have to trust. */
  readonly certificateFile: string;
}

const run = promisify(execFile);
const keystorePassword = "keystore-password";

/** Makes a certificate for 127.0.0.1 with Java's keytool, which is where Kafka is. */
export async function createCertificate(directory: string, name: string): Promise<TestCertificate> {
  const keystoreFile = path.join(directory, `${name}.p12`);
  const certificateFile = path.join(directory, `${name}.pem`);
  const store = ["-alias", name, "-keystore", keystoreFile, "-storepass", keystorePassword];
  const key = ["-keyalg", "RSA", "-dname", `CN=${name}`, "-validity", "2", "-storetype", "PKCS12"];
  const extensions = ["-ext", "san=ip:127.0.0.1", "-ext", "bc=ca:true"];
  await run("keytool", ["-genkeypair", ...store, ...key, ...extensions]);
  await run("keytool", ["-exportcert", "-rfc", ...store, "-file", certificateFile]);
  return { keystoreFile, keystorePassword, certificateFile };
}

/**
 * A listener that speaks TLS alone and asks for a password.
 *
 * @param plainUser who may log in by PLAIN; those of SCRAM are made by `setScramPassword`
 */
export function saslSslListener(
  port: number,
  certificate: TestCertificate,
  plainUser: { readonly username: string; readonly password: string },
): KafkaListener {
  const name = "listener.name.sasl_ssl";
  const login = "org.apache.kafka.common.security";
  const { username, password } = plainUser;
  return {
    url: `SASL_SSL://127.0.0.1:${port}`,
    settings: {
      "listener.security.protocol.map":
        "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL",
      [`${name}.ssl.keystore.type`]: "PKCS12",
      [`${name}.ssl.keystore.location`]: certificate.keystoreFile.replaceAll("\\", "/"),
      [`${name}.ssl.keystore.password`]: certificate.keystorePassword,
      [`${name}.sasl.enabled.mechanisms`]: "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
      [`${name}.plain.sasl.jaas.config`]: `${login}.plain.PlainLoginModule required user_${username}="${password}";`,
      [`${name}.scram-sha-256.sasl.jaas.config`]: `${login}.scram.ScramLoginModule required;`,
      [`${name}.scram-sha-512.sasl.jaas.config`]: `${login}.scram.ScramLoginModule required;`,
    },
  };
}

/** Sets the password by which a user logs in with SCRAM, through a broker's plain listener. */
export async function setScramPassword(
  broker: string,
  { mechanism, username, password }: NonNullable<UsedKafka["sasl"]>,
  logger: Logger,
): Promise<void> {
  const libraries = await findKafkaLibraries(logger);
  const credential = `${mechanism.toUpperCase()}=[password=${password}]`;
  const user = ["--entity-type", "users", "--entity-name", username];
  const change = ["--bootstrap-server", broker, "--alter", "--add-config", credential, ...user];
  await run("java", ["-cp", path.join(libraries, "*"), "kafka.admin.ConfigCommand", ...change]);
}
