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
    let node = try step.required("pattern")
    guard let pattern = try node.member("Regex")?.string() else {
      throw TokenizerDescription.unsupported(node.path, "is not a regular expression")
    }
    guard let rule = SplitRule(pattern: pattern) else {
      throw TokenizerError(.unsupported, "\(node.path) is not one of the patterns known here: \(pattern)")
    }
    // The known patterns match all of a text, so cutting out the matches and keeping only the matches are the same.
    let behavior = try step.required("behavior").string()
    let isInverted = try step.member("invert")?.bool() ?? false
    switch (behavior, isInverted) {
    case ("Isolated", _), ("Removed", true): return rule
    default: throw TokenizerDescription.unsupported("\(step.path).behavior", "is \(behavior), invert \(isInverted)")
    }
  }
}
