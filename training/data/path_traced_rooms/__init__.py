"""Path-traced rooms: furniture of true size under light as it is, rendered once into a folder with exact maps."""
