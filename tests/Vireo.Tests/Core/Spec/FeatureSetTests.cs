using Vireo.Core.Spec;

namespace Vireo.Tests.Core.Spec;

public sealed class FeatureSetTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(31)]
    [InlineData(32)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(70)]
    [InlineData(127)]
    public void With_AnyBit_ContainsOnlyThatBit(int bit)
    {
        FeatureSet set = FeatureSet.Empty.With(bit);

        Assert.True(set.Contains(bit));
        Assert.Equal(1, set.Count);
        Assert.Equal(1u << bit % 32, set.Word((uint)bit / 32));
        Assert.Equal(FeatureSet.Empty, set.Without(bit));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(128)]
    [InlineData(int.MaxValue)]
    public void With_BitOutsideTheSet_Throws(int bit)
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => FeatureSet.Empty.With(bit));
        Assert.False(new FeatureSet(ulong.MaxValue, ulong.MaxValue).Contains(bit));
    }

    [Fact]
    public void WithWord_EachWord_IsReadBack()
    {
        FeatureSet set = FeatureSet.Empty;
        for (uint word = 0; word < 5; word++)
        {
            set = set.WithWord(word, 0x8000_0001 + word);
        }

        Assert.Equal(0x8000_0001u, set.Word(0));
        Assert.Equal(0x8000_0004u, set.Word(3));
        Assert.Equal(0u, set.Word(4));
        Assert.Equal(new FeatureSet(0x8000_0002_8000_0001, 0x8000_0004_8000_0003), set);
    }

    [Fact]
    public void IsSubsetOf_OneForeignBit_IsFalse()
    {
        var offered = FeatureSet.Of(CoreFeature.Version1, CoreFeature.EventIndex, 70);

        Assert.True(FeatureSet.Of(CoreFeature.Version1, 70).IsSubsetOf(offered));
        Assert.False(FeatureSet.Of(CoreFeature.Version1, 71).IsSubsetOf(offered));
        Assert.Equal("{29, 32, 70}", offered.ToString());
    }
}
