/// Compiles a regular expression in Oniguruma's syntax, as far as patterns for splitting text use it: alternatives,
/// groups, repetition, look-ahead, classes, categories. Anything else is refused by name.
struct SplitPatternCompiler {
  private let expression: [Unicode.Scalar]
  private var position = 0
  private var ignoresCase = false
  private var sets: [ScalarSet] = []
  private var depth = 0

  private static let depthLimit = 32
  private static let sizeLimit = 10_000

  /// Instructions that refer to each other by distance, so that they can be moved and repeated.
  private typealias Fragment = [SplitPattern.Instruction]

  static func compile(_ expression: String) throws(TokenizerError) -> SplitPattern.Program {
    var compiler = SplitPatternCompiler(expression: Array(expression.unicodeScalars))
    let fragment = try compiler.alternatives()
    guard compiler.position == compiler.expression.count else { throw compiler.failure("a parenthesis too many") }
    let instructions = (fragment + [.accept]).enumerated().map { $1.moved(by: $0) }
    return SplitPattern.Program(instructions: instructions, sets: compiler.sets)
  }

  private init(expression: [Unicode.Scalar]) { self.expression = expression }

  private func failure(_ what: String) -> TokenizerError {
    var text = String.UnicodeScalarView()
    text.append(contentsOf: expression.prefix(200))
    return TokenizerError(.unsupported, "the split pattern \(String(text)): \(what), character \(position)")
  }

  private var current: Unicode.Scalar? { position < expression.count ? expression[position] : nil }

  private mutating func skip(_ text: String) -> Bool {
    guard expression[position...].starts(with: text.unicodeScalars) else { return false }
    position += text.unicodeScalars.count
    return true
  }

  /// `a|b|c`
  private mutating func alternatives() throws(TokenizerError) -> Fragment {
    var branches = [try sequence()]
    while skip("|") { branches.append(try sequence()) }
    // Of the branches and what chooses between them, from each branch on.
    var size = branches.reduce(2 * branches.count - 2) { $0 + $1.count }
    guard size <= Self.sizeLimit else { throw failure("too large") }
    let last = branches.removeLast()
    var result: Fragment = []
    for branch in branches {
      size -= branch.count + 2
      result.append(.either(first: 1, second: branch.count + 2))
      result += branch
      result.append(.jump(size + 1))
    }
    return result + last
  }

  private mutating func sequence() throws(TokenizerError) -> Fragment {
    var result: Fragment = []
    while let scalar = current, scalar != "|", scalar != ")" { result += try repeated(try atom()) }
    return result
  }

  private mutating func atom() throws(TokenizerError) -> Fragment {
    guard let scalar = current else { return [] }
    position += 1
    switch scalar {
    case "(": return try group()
    case "[": return [take(try characterClass())]
    case ".": return [take(ScalarSet([0x0a...0x0a]).inverted)]
    case "^": return [.lineStart]
    case "$": return [.lineEnd]
    case "\\": return [try escape()]
    case "*", "+", "?", "{": throw failure("nothing to repeat")
    default: return [take(cased(scalar.value))]
    }
  }

  private mutating func take(_ set: ScalarSet) -> SplitPattern.Instruction {
    if let known = sets.firstIndex(of: set) { return .take(known) }
    sets.append(set)
    return .take(sets.count - 1)
  }

  /// One scalar or, where case is ignored, its cases.
  private func cased(_ value: UInt32) -> ScalarSet {
    ignoresCase ? ScalarSet(caseInsensitive: value) : ScalarSet([value...value])
  }

  private mutating func group() throws(TokenizerError) -> Fragment {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.depthLimit else { throw failure("nested deeper than \(Self.depthLimit)") }
    let outer = ignoresCase
    defer { ignoresCase = outer }
    var lookAhead: Bool?
    if skip("?!") {
      lookAhead = true
    } else if skip("?=") {
      lookAhead = false
    } else if skip("?i:") {
      ignoresCase = true
    } else if !skip("?:"), current == "?" {
      throw failure("an unknown kind of group")
    }
    let content = try alternatives()
    guard skip(")") else { throw failure("a parenthesis is not closed") }
    guard let lookAhead else { return content }
    return [.lookAhead(isNegative: lookAhead, next: content.count + 2)] + content + [.accept]
  }

  private mutating func escape() throws(TokenizerError) -> SplitPattern.Instruction {
    if skip("A") { return .textStart }
    if skip("z") { return .textEnd }
    return take(try escapedSet(word: .patternWord))
  }
}

// MARK: - Repetition

extension SplitPatternCompiler {
  /// A fragment and the `*`, `+`, `?` or `{m,n}` after it.
  private mutating func repeated(_ fragment: Fragment) throws(TokenizerError) -> Fragment {
    guard let (least, most) = try counts() else { return fragment }
    guard !skip("+") else { throw failure("possessive repetition") }
    let isLazy = skip("?")
    guard !isLazy || most != least else { throw failure("lazy repetition of an exact count") }
    func choice(skipping length: Int) -> SplitPattern.Instruction {
      isLazy ? .either(first: length, second: 1) : .either(first: 1, second: length)
    }
    let copies = max(least, most ?? 0, 1)
    guard copies * (fragment.count + 1) <= Self.sizeLimit else { throw failure("too large") }
    var result: Fragment = []
    for _ in 0..<least { result += fragment }
    if let most {
      var optional: Fragment = []
      for _ in least..<most { optional = [choice(skipping: fragment.count + optional.count + 1)] + fragment + optional }
      return result + optional
    }
    return result + [choice(skipping: fragment.count + 2)] + fragment + [.jump(-fragment.count - 1)]
  }

  /// How often, at least and at most; nil if no repetition follows.
  private mutating func counts() throws(TokenizerError) -> (least: Int, most: Int?)? {
    if skip("*") { return (0, nil) }
    if skip("+") { return (1, nil) }
    if skip("?") { return (0, 1) }
    guard skip("{") else { return nil }
    let least = try number()
    if skip("}") { return (least, least) }
    guard skip(",") else { throw failure("a repetition must be {m}, {m,} or {m,n}") }
    if skip("}") { return (least, nil) }
    let most = try number()
    guard skip("}"), most >= least else { throw failure("a repetition must be {m}, {m,} or {m,n}") }
    return (least, most)
  }

  private mutating func number() throws(TokenizerError) -> Int {
    var digits = ""
    while let scalar = current, ("0"..."9").contains(scalar) {
      digits.unicodeScalars.append(scalar)
      position += 1
    }
    guard let number = Int(digits), number <= Self.sizeLimit else { throw failure("a count is missing or too large") }
    return number
  }
}

// MARK: - Classes

extension SplitPatternCompiler {
  /// `[abc]` after its bracket.
  ///
  /// A range ignores the case of its ASCII letters.
  private mutating func characterClass() throws(TokenizerError) -> ScalarSet {
    let isInverted = skip("^")
    var members: [ScalarSet] = []
    repeat {
      guard current != "[", !skip("&&") else { throw failure("a class within a class") }
      let (set, single) = try classMember()
      if let low = single, current == "-", position + 1 < expression.count, expression[position + 1] != "]" {
        position += 1
        guard let high = try classMember().single, high >= low else { throw failure("a range that is none") }
        members.append(ScalarSet([low...high]))
        if ignoresCase { members += (low...min(high, max(low, 0x7f))).map(ScalarSet.init(caseInsensitive:)) }
      } else {
        members.append(set)
      }
      guard current != nil else { throw failure("a class is not closed") }
    } while !skip("]")
    let set = ScalarSet(subsets: members)
    return isInverted ? set.inverted : set
  }

  /// A member of a class and, if it is one scalar, which.
  private mutating func classMember() throws(TokenizerError) -> (set: ScalarSet, single: UInt32?) {
    guard let scalar = current else { throw failure("a class is not closed") }
    position += 1
    guard scalar == "\\" else { return (cased(scalar.value), scalar.value) }
    if let single = try escapedScalar() { return (cased(single), single) }
    return (try escapedSet(word: .classWord), nil)
  }

  /// What a backslash and a letter mean; `word` is what `\w` means.
  private mutating func escapedSet(word: ScalarSet) throws(TokenizerError) -> ScalarSet {
    if let single = try escapedScalar() { return cased(single) }
    if skip("s") { return .space }
    if skip("S") { return .space.inverted }
    if skip("d") { return .digit }
    if skip("D") { return .digit.inverted }
    if skip("w") { return word }
    if skip("W") { return word.inverted }
    let isInverted = current == "P"
    guard skip("p") || skip("P") else { throw failure("an unknown escape") }
    return try category(isInverted: isInverted)
  }

  /// `{L}` or `{^L}`
  private mutating func category(isInverted: Bool) throws(TokenizerError) -> ScalarSet {
    guard skip("{") else { throw failure("a category needs braces") }
    let isInverted = isInverted != skip("^")
    var name = ""
    while let scalar = current, scalar != "}" {
      name.unicodeScalars.append(scalar)
      position += 1
    }
    guard skip("}"), let mask = GeneralCategories.mask(named: name) else {
      throw failure("\(name) is no general category")
    }
    let set = ScalarSet(categories: mask)
    return isInverted ? set.inverted : set
  }

  /// A scalar after a backslash: a control character, a number, or punctuation that stands for itself.
  private mutating func escapedScalar() throws(TokenizerError) -> UInt32? {
    guard let scalar = current else { throw failure("a backslash at the end") }
    let controls: [Unicode.Scalar: UInt32] = [
      "n": 0x0a, "r": 0x0d, "t": 0x09, "f": 0x0c, "v": 0x0b, "a": 0x07, "e": 0x1b,
    ]
    if let control = controls[scalar] {
      position += 1
      return control
    }
    if skip("x{") {
      let value = try hexadecimal(1...8)
      guard skip("}") else { throw failure("a brace is missing") }
      return value
    }
    if skip("x") { return try hexadecimal(1...2) }
    if skip("u") { return try hexadecimal(4...4) }
    guard !("0"..."9").contains(scalar), !("a"..."z").contains(scalar), !("A"..."Z").contains(scalar) else {
      return nil
    }
    position += 1
    return scalar.value
  }

  private mutating func hexadecimal(_ lengths: ClosedRange<Int>) throws(TokenizerError) -> UInt32 {
    var value: UInt32 = 0
    var length = 0
    while length < lengths.upperBound, let digit = current.flatMap({ Character($0).hexDigitValue }) {
      value = value << 4 | UInt32(digit)
      position += 1
      length += 1
    }
    guard lengths.contains(length) else { throw failure("a number is missing") }
    return value
  }
}

extension SplitPattern.Instruction {
  /// The instruction with its distances made places, `place` being its own.
  fileprivate func moved(by place: Int) -> SplitPattern.Instruction {
    switch self {
    case .either(let first, let second): .either(first: first + place, second: second + place)
    case .jump(let target): .jump(target + place)
    case .lookAhead(let isNegative, let next): .lookAhead(isNegative: isNegative, next: next + place)
    default: self
    }
  }
}
