package import Communication

/// A prompt or setting that no text can be generated from. The message says what and what would do.
package struct GenerationError: Error, Hashable, Sendable, CustomStringConvertible, RefusalConvertible {
  package let message: String

  package init(_ message: String) { self.message = message }

  package var description: String { message }
  package var refusal: Refusal { Refusal(.usage, message) }
}
