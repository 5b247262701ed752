import Foundation
import Tokenization

/// A tokenizer trained on a few sentences, and its file with parts exchanged.
enum SmallTokenizer {
  static let sentences = """
    The cat sat on the mat. The cats that sat there aren't the cats that I'd seen.
    It's 1914, then 1939; we'll see what they've made of it. Déjà vu — «garçon», naïve.
    """

  static func train(_ text: String = sentences, size: Int = 300) throws -> Tokenizer {
    var counts = WordCounts()
    counts.add(text: Array(text.utf8))
    return try BytePairTrainer(vocabularySize: size).train(counts)
  }

  /// The small tokenizer's file after a change of its members, the form in which JSONSerialization reads them.
  static func json(_ change: (inout [String: Any]) -> Void = { _ in }) throws -> [UInt8] {
    let data = Data(try train().jsonData())
    guard var root = try JSONSerialization.jsonObject(with: data) as? [String: Any] else { return [] }
    change(&root)
    return [UInt8](try JSONSerialization.data(withJSONObject: root))
  }

  /// The same after a change of its model.
  static func modelChanged(_ change: (inout [String: Any]) -> Void) throws -> [UInt8] {
    try json { root in
      guard var model = root["model"] as? [String: Any] else { return }
      change(&model)
      root["model"] = model
    }
  }

  static func tokenizer(_ change: (inout [String: Any]) -> Void) throws -> Tokenizer {
    try Tokenizer(contentsOf: json(change))
  }

  static func added(
    _ content: String, id: Int, special: Bool = false, normalized: Bool = false, singleWord: Bool = false,
    lstrip: Bool = false, rstrip: Bool = false
  ) -> [String: Any] {
    [
      "id": id, "content": content, "special": special, "normalized": normalized, "single_word": singleWord,
      "lstrip": lstrip, "rstrip": rstrip,
    ]
  }
}
