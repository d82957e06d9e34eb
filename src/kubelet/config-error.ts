/** @module What a container's configuration refers to and is not there: CreateContainerConfigError in its status. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}
