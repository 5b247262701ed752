import Planning
import TestSupport
import Testing

@Suite("Capacity policy")
struct CapacityPolicyTests {
  struct SlotCase: Sendable {
    let factor: Double
    let choices, tokens, experts, slots: Int
  }

  @Test(
    "gives ⌈F·k·S/E⌉ slots",
    arguments: [
      SlotCase(factor: 1, choices: 2, tokens: 8, experts: 4, slots: 4),
      SlotCase(factor: 1.25, choices: 2, tokens: 8, experts: 4, slots: 5),
      SlotCase(factor: 0.5, choices: 1, tokens: 7, experts: 3, slots: 2),
      SlotCase(factor: 1, choices: 1, tokens: 1, experts: 8, slots: 1),
      SlotCase(factor: 0.75, choices: 2, tokens: 4, experts: 3, slots: 2),
      SlotCase(factor: 2, choices: 2, tokens: 16, experts: 8, slots: 8),
      SlotCase(factor: 0.01, choices: 1, tokens: 3, experts: 10, slots: 1),
      SlotCase(factor: 1, choices: 4, tokens: 512, experts: 64, slots: 32),
    ])
  func slotFormula(_ slotCase: SlotCase) {
    let slots = CapacityPolicy.limited(factor: slotCase.factor).slots(
      tokenCount: slotCase.tokens, expertsPerToken: slotCase.choices, expertCount: slotCase.experts)
    #expect(slots == slotCase.slots)
  }

  @Test("has no limit when dropless")
  func dropless() {
    #expect(CapacityPolicy.dropless.slots(tokenCount: 10, expertsPerToken: 2, expertCount: 4) == nil)
    let kept = CapacityPolicy.dropless.kept(
      expertIDs: Array(repeating: 0, count: 100), expertsPerToken: 1, expertCount: 50, sequenceLength: 10)
    #expect(kept == Array(repeating: true, count: 100))
  }

  /// Two slots per expert:
  ///
  ///     token  choice 1        choice 2
  ///     0      0: slot 0       1: slot 0
  ///     1      0: slot 1       2: slot 0
  ///     2      0: full         1: slot 1
  ///     3      1: full         0: full
  ///
  /// Giving all first choices before any second (GShard) would let token 3 have expert 1 and take it from token 2.
  @Test("gives slots in order of token, then choice")
  func order() {
    let kept = CapacityPolicy.limited(factor: 0.75).kept(
      expertIDs: [0, 1, 0, 2, 0, 1, 1, 0], expertsPerToken: 2, expertCount: 3, sequenceLength: 4)
    #expect(kept == [true, true, true, true, false, true, false, false])
  }

  @Test("treats every sequence by itself, a shorter last one too")
  func groups() {
    let policy = CapacityPolicy.limited(factor: 1)
    // Four tokens, one choice, two experts: two slots. Then two tokens: one slot.
    let kept = policy.kept(
      expertIDs: [0, 0, 0, 1] + [0, 0, 0, 0] + [0, 0], expertsPerToken: 1, expertCount: 2, sequenceLength: 4)
    #expect(kept == [true, true, false, true] + [true, true, false, false] + [true, false])
  }

  @Test("is causal: a later token never changes what an earlier one got", arguments: 0..<40)
  func causality(seed: Int) {
    var generator = SeededGenerator(seed: seed)
    let draw = Draw(&generator)
    let before = draw.kept(draw.experts)
    let changed = Int.random(in: 0..<draw.tokenCount, using: &generator)
    var experts = draw.experts
    for token in changed..<draw.tokenCount {
      let choices = generator.distinct(draw.choices, below: draw.expertCount).map(Int32.init)
      experts.replaceSubrange(token * draw.choices..<(token + 1) * draw.choices, with: choices)
    }
    let after = draw.kept(experts)
    #expect(after.prefix(changed * draw.choices) == before.prefix(changed * draw.choices))
  }

  @Test("drops what the rule written as a loop drops", arguments: 0..<60)
  func naive(seed: Int) {
    var generator = SeededGenerator(seed: 1000 + seed)
    let draw = Draw(&generator)
    #expect(draw.kept(draw.experts) == draw.naiveKept)
  }

  /// Random choices with a random policy.
  struct Draw {
    let choices, expertCount, sequenceLength, tokenCount: Int
    let factor: Double
    let experts: [Int32]

    init(_ generator: inout SeededGenerator) {
      expertCount = Int.random(in: 1...6, using: &generator)
      choices = Int.random(in: 1...min(3, expertCount), using: &generator)
      sequenceLength = Int.random(in: 1...12, using: &generator)
      tokenCount = Int.random(in: 1...36, using: &generator)
      factor = [0.25, 0.5, 1, 1.5].randomElement(using: &generator) ?? 1
      var experts: [Int32] = []
      for _ in 0..<tokenCount { experts += generator.distinct(choices, below: expertCount).map(Int32.init) }
      self.experts = experts
    }

    func kept(_ experts: [Int32]) -> [Bool] {
      CapacityPolicy.limited(factor: factor).kept(
        expertIDs: experts, expertsPerToken: choices, expertCount: expertCount, sequenceLength: sequenceLength)
    }

    /// An assignment is kept if fewer than C earlier ones of its sequence wanted the same expert.
    var naiveKept: [Bool] {
      experts.indices.map { assignment in
        let group = assignment / choices / sequenceLength
        let length = min(sequenceLength, tokenCount - group * sequenceLength)
        let limit = (factor * Double(choices) * Double(length) / Double(expertCount)).rounded(.up)
        let first = group * sequenceLength * choices
        return Double(experts[first..<assignment].count { $0 == experts[assignment] }) < limit
      }
    }
  }
}
