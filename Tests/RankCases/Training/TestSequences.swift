import Tensors
import Training

/// Given sequences with given targets.
struct ListedSequences: SequenceSource {
  let tokens: [[Int32]]
  /// What follows each token; −1: not predicted.
  let targets: [[Int32]]

  var sequenceLength: Int { tokens.first?.count ?? 0 }
  var sequenceCount: Int { tokens.count }
  var byteCount: Int? { nil }

  func predictedTokenCount(sequence: Int) -> Int { targets[sequence].count { $0 >= 0 } }

  func copy(sequence: Int, tokens: Buffer<Int32>, targets: Buffer<Int32>) {
    tokens.copy(from: self.tokens[sequence])
    targets.copy(from: self.targets[sequence])
  }
}

extension ListedSequences {
  /// Sequences in which most tokens follow from the one before, so that there is something to learn. Every token but the
  /// last is predicted from; a few targets are left out, so that sequences count differently.
  static func learnable(count: Int, length: Int, vocabularySize: Int, seed: UInt64 = 1) -> ListedSequences {
    let random = CounterRandom(seed: seed, stream: "learnable sequences")
    let tokens = (0..<count).map { sequence in
      var token = random.index(UInt64(sequence), below: vocabularySize)
      return (0..<length).map { position in
        let counter = UInt64(1 << 32 + sequence * length + position)
        let isSurprise = random.uniform(counter) < 0.1
        token = isSurprise ? random.index(counter, below: vocabularySize) : (token * 5 + 3) % vocabularySize
        return Int32(token)
      }
    }
    let targets = tokens.enumerated().map { sequence, tokens in
      let next = tokens.dropFirst() + [-1]
      return next.enumerated().map { position, token in position < sequence % 3 ? -1 : token }
    }
    return ListedSequences(tokens: tokens, targets: targets)
  }
}
