using Vireo.Backends.Block.Engines;
using Vireo.Core.Memory;
using Vireo.Linux.Files;

namespace Vireo.Tests.Backends.Block.Engines;

public sealed class RegisteredMemoryTests
{
    private const nint MiB = 1 << 20;
    private const ulong GiB = 1 << 30;

    [Fact]
    public void Vectors_LongRegions_AreCutAndLieByHostAddress()
    {
        RegisteredMemory memory = new([
            new(new(0), 2 * GiB + 4096, hostAddress: At(0x7000_0000_0000)),
            new(new(8 * GiB), 4096, hostAddress: At(0x6000_0000_0000)),
        ]);

        Assert.Equal(
            [
                new IoVector(At(0x6000_0000_0000), 4096),
                new IoVector(At(0x7000_0000_0000), (nuint)GiB),
                new IoVector(At(0x7000_4000_0000), (nuint)GiB),
                new IoVector(At(0x7000_8000_0000), 4096),
            ],
            memory.Vectors.ToArray()
        );
        Assert.Equal((long)(2 * GiB) + 8192, memory.LengthBytes);
    }

    [Fact]
    public void Vectors_WhatMayNotBeWritten_IsLeftOut()
    {
        RegisteredMemory memory = new([new(new(0), 4096, hostAddress: 8192, MemoryAccess.Read)]);

        Assert.True(memory.Vectors.IsEmpty);
        Assert.False(memory.TryFind(new(8192, 512), out _));
    }

    [Theory]
    [InlineData(4, 1, 0)]
    [InlineData(4, 4, 0)]
    [InlineData(7, 1, 0)]
    [InlineData(16, 16, 1)]
    [InlineData(31, 1, 1)]
    [InlineData(64, 8, 2)]
    public void TryFind_WithinAPiece_NamesIt(int startMiB, int lengthMiB, int expected)
    {
        RegisteredMemory memory = ThreePieces();

        Assert.True(memory.TryFind(new(startMiB * MiB, (nuint)(lengthMiB * MiB)), out ushort index));
        Assert.Equal(expected, index);
        Assert.True(memory.TryFind(new(startMiB * MiB, (nuint)(lengthMiB * MiB)), out index));
        Assert.Equal(expected, index);
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(3, 2)]
    [InlineData(7, 2)]
    [InlineData(8, 1)]
    [InlineData(16, 17)]
    [InlineData(72, 1)]
    [InlineData(64, 9)]
    public void TryFind_NotWithinOnePiece_FindsNothing(int startMiB, int lengthMiB)
    {
        RegisteredMemory memory = ThreePieces();

        Assert.False(memory.TryFind(new(startMiB * MiB, (nuint)(lengthMiB * MiB)), out _));
    }

    /// <summary>From 4 to 8, from 16 to 32 and from 64 to 72 MiB.</summary>
    private static RegisteredMemory ThreePieces() =>
        new([
            new(new(64 << 20), 8 << 20, hostAddress: 64 * MiB),
            new(new(4 << 20), 4 << 20, hostAddress: 4 * MiB),
            new(new(16 << 20), 16 << 20, hostAddress: 16 * MiB),
        ]);

    private static nint At(long address) => (nint)address;
}
