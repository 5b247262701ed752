/// How a `tokenizer.json` cuts text into words.
struct PreTokenizerDescription: Sendable {
  /// Text that does not start with a space is given one.
  private(set) var addsPrefixSpace = false
  /// Applied in order, each to the parts that the one before left.
  private(set) var rules: [SplitRule] = []

  init(_ node: JSONNode?) throws(TokenizerError) {
    guard let node else { throw TokenizerDescription.unsupported("pre_tokenizer", "is absent (ByteLevel is needed)") }
    let steps = try TokenizerDescription.parts(node, named: "pretokenizers")
    for (index, step) in steps.enumerated() {
      let type = try step.required("type").string()
      switch type {
      case "ByteLevel":
        guard index == steps.count - 1 else {
          throw TokenizerDescription.unsupported(step.path, "is not the last step")
        }
        try readByteLevel(step)
        return
      case "Split": rules.append(try Self.split(step))
      case "Digits":
        rules.append(.digits(individually: try step.member("individual_digits")?.bool() ?? false))
      default: throw TokenizerDescription.unsupported(step.path, "is \(type)")
      }
    }
    throw TokenizerDescription.unsupported("pre_tokenizer", "has no ByteLevel step")
  }

  private mutating func readByteLevel(_ step: JSONNode) throws(TokenizerError) {
    addsPrefixSpace = try step.member("add_prefix_space")?.bool() ?? true
    guard rules.isEmpty || !addsPrefixSpace else {
      throw TokenizerDescription.unsupported("\(step.path).add_prefix_space", "is true after other steps")
    }
    if try step.member("use_regex")?.bool() ?? true { rules.append(.gpt2) }
  }

  private static func split(_ step: JSONNode) throws(TokenizerError) -> SplitRule {
    let kept = try keptPieces(step)
    let pattern = try step.required("pattern")
    if let expression = try pattern.member("Regex")?.string() {
      return try SplitRule(expression: expression, kept: kept)
    }
    return .pattern(SplitPattern(literal: try pattern.required("String").string()), kept: kept)
  }

  private static func keptPieces(_ step: JSONNode) throws(TokenizerError) -> SplitRule.KeptPieces {
    let behavior = try step.required("behavior").string()
    let isInverted = try step.member("invert")?.bool() ?? false
    switch behavior {
    case "Isolated": return .all
    case "Removed": return isInverted ? .matches : .rest
    default: throw TokenizerDescription.unsupported("\(step.path).behavior", "is \(behavior)")
    }
  }
}
