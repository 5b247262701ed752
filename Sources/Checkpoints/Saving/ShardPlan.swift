import Tensors

/// Which tensors go into which file of a model.
struct ShardPlan: Hashable, Sendable {
  let shards: [[ParameterSlot]]

  /// Fills one file after another in the given order.
  init(_ slots: [ParameterSlot], largestShard: Int) {
    var shards: [[ParameterSlot]] = [[]]
    var byteCount = 0
    for slot in slots {
      let size = slot.shape.elementCount * MemoryLayout<Float>.stride
      if byteCount > 0 && byteCount + size > largestShard {
        shards.append([])
        byteCount = 0
      }
      shards[shards.count - 1].append(slot)
      byteCount += size
    }
    self.shards = shards
  }

  var fileNames: [String] {
    guard shards.count > 1 else { return [TensorCatalog.singleFileName] }
    return (1...shards.count).map { "model-\(Self.padded($0))-of-\(Self.padded(shards.count)).safetensors" }
  }

  private static func padded(_ number: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
  }

  /// The index that several files need; nil for one.
  var index: [UInt8]? {
    guard shards.count > 1 else { return nil }
    var placement: [String: JSONValue] = [:]
    for (name, slots) in zip(fileNames, shards) {
      for slot in slots { placement[slot.name] = .string(name) }
    }
    let total = shards.joined().reduce(0) { $0 + $1.shape.elementCount * MemoryLayout<Float>.stride }
    let document: JSONValue = ["metadata": ["total_size": .integer(total)], "weight_map": .object(placement)]
    return Array(document.indented.utf8)
  }
}
