/** @module What is wrong with a protobuf body. */

export class ProtobufError extends Error {
  override readonly name = "ProtobufError";
}
