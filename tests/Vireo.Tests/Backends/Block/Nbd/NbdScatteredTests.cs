namespace Vireo.Tests.Backends.Block.Nbd;

/// <summary>Answers in many pieces, from the end to the beginning, from a server that takes little at once.</summary>
public sealed class NbdScatteredTests : NbdDiskTests
{
    private protected override FakeNbdServer MakeServer(long lengthBytes) =>
        new(lengthBytes) { PiecesOfReads = 7, Blocks = (1, 4096, 65536) };
}
