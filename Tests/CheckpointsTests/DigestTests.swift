import Checkpoints
import Tensors
import Testing

@Suite("Digests")
struct DigestTests {
  /// XXH64, seed 0.
  static let published: [(String, String)] = [
    ("", "ef46db3751d8e999"),
    ("a", "d24ec4f1a98c6e5b"),
    ("as", "1c330fb2d66be179"),
    ("asd", "631c37ce72a97393"),
    ("asdf", "415872f599cea71e"),
    ("abc", "44bc2cf5ad770999"),
    ("Call me Ishmael. Some years ago--never mind how long precisely-", "02a2e85470d6fd96"),
  ]

  @Test("are those published for XXH64", arguments: published) func vectors(text: String, digest: String) {
    #expect(Digest(of: Array(text.utf8)).hexadecimal == digest)
  }

  @Test("do not depend on how the bytes are cut", arguments: [0, 5, 31, 32, 33, 1000, 4096])
  func pieces(byteCount: Int) {
    let content = (0..<byteCount).map { UInt8(truncatingIfNeeded: $0 &* 167) }
    for pieceSize in [1, 7, 32, 100, 992] {
      var digest = Digest()
      for first in stride(from: 0, to: byteCount, by: pieceSize) {
        digest.update(Buffer(Array(content[first..<min(first + pieceSize, byteCount)])))
      }
      #expect(digest.hexadecimal == Digest(of: content).hexadecimal)
    }
  }
}
