Console.WriteLine("vireo");
