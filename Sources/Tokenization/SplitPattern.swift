/// A regular expression, compiled: the patterns by which tokenizers split text.
///
/// Alternatives are tried in their order and repetitions as far as they go, stepping back until the rest matches, as in
/// Perl and in Oniguruma, the engine of the `tokenizers` library. When a match takes long, states that have failed are
/// remembered and not tried again (RE2's bit-state matcher), so time stays linear in the text.
struct SplitPattern: Hashable, Sendable {
  enum Instruction: Hashable, Sendable {
    /// Takes one scalar of a set, given by its place among the pattern's sets.
    case take(Int)
    /// Goes on at `first`, and if that fails at `second`.
    case either(first: Int, second: Int)
    case jump(Int)
    /// Goes on at `next` if what follows here up to an `accept` matches, or does not, without taking it.
    case lookAhead(isNegative: Bool, next: Int)
    /// The start of the text or of a line (`^`), its end or that of a line (`$`).
    case lineStart, lineEnd
    case textStart, textEnd
    case accept
  }

  /// Instructions and the sets of scalars that they speak of.
  struct Program: Hashable, Sendable {
    var instructions: [Instruction]
    var sets: [ScalarSet]
  }

  private let program: Program

  /// - Throws: `TokenizerError` for an expression that is wrong or uses what is not known here.
  init(_ expression: String) throws(TokenizerError) {
    program = try SplitPatternCompiler.compile(expression)
  }

  /// A pattern that matches a text and nothing else.
  init(literal: String) {
    let sets = literal.unicodeScalars.map { ScalarSet([$0.value...$0.value]) }
    program = Program(instructions: sets.indices.map { .take($0) } + [.accept], sets: sets)
  }

  /// The end of the match that begins at `start`; nil if there is none.
  func matchEnd(_ text: Span<UInt8>, at start: Int) -> Int? {
    var attempt = Attempt()
    return run(text, from: 0, at: start, &attempt)
  }

  private struct State: Hashable {
    var instruction: Int
    var position: Int
  }

  private struct Attempt {
    var stepCount = 0
    var failed: Set<State> = []
    /// Steps after which failures are remembered: more than any sensible match takes.
    static let patience = 4096
  }

  private func run(_ text: Span<UInt8>, from first: Int, at start: Int, _ attempt: inout Attempt) -> Int? {
    var state = State(instruction: first, position: start)
    var alternatives: [State] = []
    while true {
      attempt.stepCount += 1
      let isKnown = attempt.stepCount > Attempt.patience && !attempt.failed.insert(state).inserted
      if !isKnown {
        switch program.instructions[state.instruction] {
        case .accept: return state.position
        case .jump(let target):
          state.instruction = target
          continue
        case .either(let first, let second):
          alternatives.append(State(instruction: second, position: state.position))
          state.instruction = first
          continue
        case .lookAhead(let isNegative, let next):
          var inner = Attempt()
          if (run(text, from: state.instruction + 1, at: state.position, &inner) == nil) == isNegative {
            state.instruction = next
            continue
          }
        case let instruction:
          if let length = step(instruction, text, at: state.position) {
            state = State(instruction: state.instruction + 1, position: state.position + length)
            continue
          }
        }
      }
      guard let alternative = alternatives.popLast() else { return nil }
      state = alternative
    }
  }

  /// How many bytes an instruction takes that looks at one place; nil if it does not match there.
  @inline(__always) private func step(_ instruction: Instruction, _ text: Span<UInt8>, at position: Int) -> Int? {
    let isMatch: Bool
    switch instruction {
    case .take(let set):
      guard position < text.count else { return nil }
      let scalar = decodeScalar(text, at: position)
      return program.sets[set].contains(scalar.value) ? scalar.length : nil
    case .lineStart: isMatch = position == 0 || position < text.count && text[position - 1] == UInt8(ascii: "\n")
    case .lineEnd: isMatch = position == text.count || text[position] == UInt8(ascii: "\n")
    case .textStart: isMatch = position == 0
    case .textEnd: isMatch = position == text.count
    default: isMatch = false
    }
    return isMatch ? 0 : nil
  }
}
