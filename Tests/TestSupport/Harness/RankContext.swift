package import Communication
import Topology

/// What a case's body is given on one rank: the ranks, and a place to say what it found.
package final class RankContext {
  /// All ranks of the run.
  package let world: any Communicator
  package var rank: Int { world.rank.index }
  package var size: Int { world.size }
  private let recorder: any RankRecorder

  init(world: any Communicator, recorder: any RankRecorder) {
    self.world = world
    self.recorder = recorder
  }

  /// Says where the rank stands from here on.
  package func step(_ label: String) { recorder.stands(at: label) }

  /// Records a failure if the condition is false.
  package func expect(
    _ condition: Bool, _ message: @autoclosure () -> String = "expectation failed", file: StaticString = #fileID,
    line: UInt = #line
  ) {
    recorder.stands(at: "\(file):\(line)")
    guard !condition else { return }
    recorder.record(.failure(.init(file: "\(file)", line: Int(line), message: message())))
  }

  /// Records a failure if the values differ.
  package func expectEqual<Value: Equatable>(
    _ value: Value, _ expected: Value, _ message: @autoclosure () -> String = "", file: StaticString = #fileID,
    line: UInt = #line
  ) {
    expect(
      value == expected,
      "\(excerpt(of: value)) instead of \(excerpt(of: expected))\(message().isEmpty ? "" : ": \(message())")",
      file: file, line: line)
  }

  /// Records a failure if the body does not throw an error of the type, and returns the error for a closer look.
  @discardableResult
  package func expectError<Failure: Error>(
    _ type: Failure.Type, file: StaticString = #fileID, line: UInt = #line, _ body: () throws -> Void
  ) -> Failure? {
    do {
      try body()
      expect(false, "no error was thrown where \(type) was expected", file: file, line: line)
    } catch let error as Failure {
      return error
    } catch {
      expect(false, "\(error) was thrown where \(type) was expected", file: file, line: line)
    }
    return nil
  }

  /// Long values are cut: a report should be readable.
  private func excerpt(of value: some Equatable) -> String {
    let text = String(describing: value)
    return text.count <= 300 ? text : "\(text.prefix(300))…"
  }
}

/// Where a rank's findings go: a file under `mpirun`, an array under the loopback transport.
protocol RankRecorder: AnyObject {
  func record(_ record: RankRecord)
  /// Overwrites what was there before.
  func stands(at place: String)
}
