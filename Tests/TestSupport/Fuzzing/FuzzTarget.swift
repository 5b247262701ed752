/// A parser of data from outside, as the fuzzer sees it.
package struct FuzzTarget: Sendable, CustomStringConvertible {
  package let name: String
  package let mutator: Mutator
  /// Of the number of inputs that was asked for, one in so many: for parsers that are slow by nature.
  package let share: Int
  /// Reads an input and looks at what comes out; says whether it was accepted.
  package let read: @Sendable ([UInt8]) throws -> Bool

  /// - Parameters:
  ///   - refusal: the type of error by which the parser says that the input is none; any other error is a fault.
  ///   - seeds: inputs that are read.
  ///   - words: texts of the format that mutations put in, besides those of all formats.
  ///   - read: reads an input and throws a ``FuzzFault`` if the result is not what it must be.
  package init<Refusal: Error>(
    _ name: String, refusal: Refusal.Type, seeds: [[UInt8]], words: [String] = [], share: Int = 1,
    read: @escaping @Sendable ([UInt8]) throws -> Void
  ) {
    self.name = name
    self.share = share
    mutator = Mutator(seeds: seeds, words: words.isEmpty ? [[0]] : words.map { Array($0.utf8) })
    self.read = { input in
      do {
        try read(input)
        return true
      } catch let error as Refusal where !(error is FuzzFault) {
        try Self.check(message: "\(error)", of: input)
        return false
      }
    }
  }

  /// A refusal is one line for a person, however wild the input.
  private static func check(message: String, of input: [UInt8]) throws {
    try hold(!message.isEmpty, "the message is empty")
    try hold(message.utf8.count <= 2_000 + 8 * input.count, "the message has \(message.utf8.count) bytes")
  }

  package var description: String { name }
}

/// What must not be, whatever the input.
package struct FuzzFault: Error, CustomStringConvertible {
  package let description: String
}

/// Checks what a parser promises of its result.
package func hold(_ condition: Bool, _ message: @autoclosure () -> String) throws {
  if !condition { throw FuzzFault(description: message()) }
}
