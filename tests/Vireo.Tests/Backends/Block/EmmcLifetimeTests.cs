using Vireo.Backends.Block.Raw;
using Vireo.Devices.Block;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Backends.Block;

public sealed class EmmcLifetimeTests
{
    [Theory]
    [InlineData("0x01 0x0b\n", "0x02\n", 2, 1, 11)]
    [InlineData("0x00 0x00", "0x00", 0, 0, 0)]
    public void TryRead_WhatADriverWrites_IsRead(string wear, string reserved, int expected, int a, int b)
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder["life_time"], wear);
        File.WriteAllText(folder["pre_eol_info"], reserved);

        Assert.Equal(new BlockLifetime(expected, a, b), EmmcLifetime.TryRead(folder.Path));
    }

    [Theory]
    [InlineData("0x01", "0x01")]
    [InlineData("1 2", "0x01")]
    [InlineData("0x01 0x0q", "0x01")]
    [InlineData("0x01 0x02", "")]
    [InlineData("0x01 0x02", "0x100")]
    public void TryRead_AnythingElse_IsNothing(string wear, string reserved)
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder["life_time"], wear);
        File.WriteAllText(folder["pre_eol_info"], reserved);

        Assert.Null(EmmcLifetime.TryRead(folder.Path));
    }

    [Fact]
    public void TryRead_NoSuchFolder_IsNothing() => Assert.Null(EmmcLifetime.TryRead("/nowhere/at/all"));
}
