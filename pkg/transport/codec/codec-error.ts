export type CodecErrorCode =
  | "MALFORMED"
  | "TOO_DEEP"
  | "FORBIDDEN_KEY"
  | "UNSAFE_INTEGER"
  | "WRONG_SHAPE"
  | "UNENCODABLE";

/** Bytes that are no message we take, or a message that no frame can hold; names the field. */
export class CodecError extends Error {
  override readonly name = "CodecError";
  constructor(
    readonly code: CodecErrorCode,
    message: string,
    readonly field?: string,
  ) {
    super(message);
  }
}
